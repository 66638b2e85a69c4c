"""The tables of events. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA

from app.database.schema import metadata, tenant_column, time_column

events = Table(
    "events",
    metadata,
    # No foreign keys: every change writes here. The deletion of a tenant deletes its events.
    Column("tenant_id", BigInteger, nullable=False),
    Column(
        "id", BigInteger, nullable=False, autoincrement=False, server_default=text("nextval('event_ids')")
    ),
    time_column("recorded_at"),
    # Of an event that was numbered before positions were made of ids.
    Column("position", BigInteger),
    Column("type", Text, nullable=False),
    Column("version", SmallInteger, nullable=False),
    Column("charge_point_id", BigInteger),
    time_column("occurred_at"),
    # The text as it was written: nothing looks into it.
    Column("data", JSON(none_as_null=True)),
    # Of a batch of meter values instead of `data`; `packed` has its form.
    Column("packed", BYTEA),
    PrimaryKeyConstraint("tenant_id", "id", "recorded_at"),
    # For the sequencer, which looks behind the last id that is numbered.
    Index("ix_events_unnumbered", "id", postgresql_where=text("position is null")),
    Index("ix_events_position", "tenant_id", "position", postgresql_where=text("position is not null")),
    postgresql_partition_by="RANGE (recorded_at)",
)

event_numbering = Table(
    "event_numbering",
    metadata,
    # There is one row.
    Column("is_only", Boolean, primary_key=True, server_default=text("true")),
    # Events of before have lower ids, and their positions in their rows.
    Column("first_id", BigInteger, nullable=False),
    # All ids up to this one are numbered, but the missing ones.
    Column("last_id", BigInteger, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    CheckConstraint("is_only", name="is_only"),
)

missing_event_ids = Table(
    "missing_event_ids",
    metadata,
    # Ids that had no committed event when a higher id was numbered: their transaction still ran, or it was
    # rolled back.
    Column("first_id", BigInteger, primary_key=True, autoincrement=False),
    Column("last_id", BigInteger, nullable=False),
    time_column("noted_at"),
    # Transactions with a lower number may still commit one of these ids.
    Column("next_transaction", BigInteger, nullable=False),
)

late_events = Table(
    "late_events",
    metadata,
    # Events that were committed after the numbering of a higher id. No foreign keys, as above.
    Column("tenant_id", BigInteger, nullable=False),
    Column("id", BigInteger, nullable=False, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    time_column("recorded_at"),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index("ix_late_events_position", "tenant_id", "position"),
)

transaction_positions = Table(
    "transaction_positions",
    metadata,
    # No foreign keys, as above. The sequencer writes it, so that no row of the ledger is locked for it.
    Column("tenant_id", BigInteger, primary_key=True),
    Column("transaction_id", Integer, primary_key=True),
    # Of its newest event; 0: it was there before there were events.
    Column("position", BigInteger, nullable=False),
    Index("ix_transaction_positions_position", "tenant_id", "position", "transaction_id"),
)

event_floors = Table(
    "event_floors",
    metadata,
    tenant_column(),
    # Events up to this one were deleted because they were too old.
    Column("position", BigInteger, nullable=False),
)
