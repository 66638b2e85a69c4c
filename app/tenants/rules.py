"""Decisions about tenants, as pure functions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from app.tenants.records import TenantRecord

DELETED: Final = "The tenant was deleted; its billing records are kept."
"""The reason for which a tenant is kept out of which only the billing records are left."""
KEPT_TABLES: Final = frozenset(
    {
        "transactions",
        "transaction_ids",
        "meter_values",
        "orphan_records",
        "charge_points",
        "exported_files",
        "exported_changes",
        "audit",
        "access_changes",
    }
)
"""The tables of which rows are left then. Capabilities delete the others of these rows themselves.

`access_changes` tells the workers that the accesses have ended.
"""


def changed_columns(tenant: TenantRecord, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the columns of a tenant that change. One that is suspended already keeps the time."""
    columns = dict(changes)
    if "suspension_reason" in columns:
        is_out = columns["suspension_reason"] is not None
        columns["suspended_at"] = (tenant.suspended_at or now) if is_out else None
    return columns
