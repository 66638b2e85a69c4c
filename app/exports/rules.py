"""Decides what is exported and dropped."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from app.exports.records import EndedPartition, ExportedFile, WrittenFile
from app.types import TenantId

SETTLING: Final = timedelta(days=2)
"""After its end a month waits for so long, because most samples that come late have come then."""
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


def partition_to_export(
    name: str, since: datetime | None, until: datetime | None, now: datetime
) -> EndedPartition | None:
    """Return a partition that is exported; None: it is not over, or is the default one.

    since, until: its bounds; None: it has none.
    """
    if until is None or until + SETTLING > now:
        return None
    return EndedPartition(name, since or _EARLIEST, until)


def is_expired(partition: EndedPartition, now: datetime, retention_days: int | None) -> bool:
    """Tell whether a partition may be dropped. retention_days: None: never."""
    return retention_days is not None and partition.until + timedelta(days=retention_days) <= now


def path_of(tenant_id: int, partition: str) -> str:
    """Return the path of a file at its destination. Tools read `tenant_id=` as a column."""
    return f"meter_values/tenant_id={tenant_id}/{partition}.parquet"


def is_ours(found_sha256: str, destination: str, path: str, written: WrittenFile | None) -> bool:
    """Tell whether a file at a destination was written by this database, so that it may be replaced.

    Otherwise it may be the only copy of what another installation, or an older state, has exported.

    Args:
        found_sha256: Of the file that is there.
        destination: The name of the destination.
        path: Of the file there.
        written: What was noted about the file of the tenant; None: nothing.
    """
    if written is None or (written.destination, written.path) != (destination, path):
        return False
    return found_sha256 in (written.sha256, written.next_sha256)


def tenants_to_export(tenants: Iterable[TenantId], files: Iterable[ExportedFile]) -> list[TenantId]:
    """Return the tenants that have no file yet."""
    known = {file.tenant_id for file in files}
    return [tenant_id for tenant_id in tenants if tenant_id not in known]
