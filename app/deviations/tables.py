"""The tables of what was counted. Only the store of this package and the migrations use them."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

_SOFTWARE = ("vendor", "model", "firmware_version")
_KEY = ("tenant_id", "charge_point_id", *_SOFTWARE)


def _software_columns() -> list[Column[str]]:
    """Return the columns that name the software of a charge point; empty: it was not told."""
    return [Column(name, Text, primary_key=True) for name in _SOFTWARE]


call_counts = Table(
    "call_counts",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    *_software_columns(),
    Column("calls", BigInteger, nullable=False),
    time_column("last_at"),
    charge_point_reference(),
)
"""The CALLs of a charge point with a software."""

deviation_counts = Table(
    "deviation_counts",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    *_software_columns(),
    Column("code", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    time_column("first_at"),
    time_column("last_at"),
    # The newest one: message_id, action, pointer, raw, connection_id.
    Column("example", JSONB, nullable=False),
    ForeignKeyConstraint(
        _KEY,
        [f"call_counts.{name}" for name in _KEY],
        ondelete="CASCADE",
        name="fk_deviation_counts_call_counts",
    ),
)
"""In how many messages of a charge point with a software each deviation was seen."""
