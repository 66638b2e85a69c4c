"""The tables of transactions. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, UUID

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

# The next transactionId of each tenant. An id is never given twice.
transaction_ids = Table(
    "transaction_ids", metadata, tenant_column(), Column("next_id", BigInteger, nullable=False)
)


transactions = Table(
    "transactions",
    metadata,
    tenant_column(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    charge_point_column(),
    # bigint: what a charge point reports must fit, however odd it is.
    Column("connector_id", BigInteger, nullable=False),
    Column("id_tag", Text, nullable=False),
    Column("id_tag_key", Text, nullable=False),
    time_column("started_at"),
    # started_at, or a constant when the reported time was unreadable: a retry must not depend on its arrival.
    time_column("started_key"),
    time_column("started_received_at"),
    Column("meter_start_wh", BigInteger, nullable=False),
    Column("reservation_id", BigInteger),
    Column("id_tag_info", JSONB, nullable=False),
    time_column("stopped_at", nullable=True),
    time_column("stopped_received_at", nullable=True),
    Column("meter_stop_wh", BigInteger),
    Column("stop_reason", Text),
    Column("stop_id_tag", Text),
    Column("stop_id_tag_info", JSONB(none_as_null=True)),
    Column("stop_raw", JSONB(none_as_null=True)),
    Column("flags", ARRAY(Text, as_tuple=True), nullable=False, server_default=text("'{}'")),
    Column("remote_start_command_id", UUID(as_uuid=True)),
    # A charge point with transactions cannot be deleted: they are billing records.
    charge_point_reference(ondelete="NO ACTION"),
    UniqueConstraint(
        "tenant_id",
        "charge_point_id",
        "connector_id",
        "id_tag_key",
        "started_key",
        "meter_start_wh",
        name="uq_transactions_start",
    ),
    Index("ix_transactions_charge_point", "tenant_id", "charge_point_id", "started_at"),
    Index(
        "ix_transactions_open_tag",
        "tenant_id",
        "id_tag_key",
        postgresql_where=text("stopped_received_at is null"),
    ),
)


meter_values = Table(
    "meter_values",
    metadata,
    # No foreign keys and one index: this is the table that every charging car writes to all the time.
    Column("tenant_id", BigInteger, nullable=False),
    Column("charge_point_id", BigInteger, nullable=False),
    Column("connector_id", BigInteger, nullable=False),
    Column("transaction_id", BigInteger),
    time_column("sampled_at"),
    time_column("received_at"),
    Column("context", Text, nullable=False),
    # The text as it came: `jsonb` would take it apart for each row, and nothing looks into it.
    Column("sampled_values", JSON, nullable=False),
    Column("digest", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "charge_point_id", "sampled_at", "digest"),
    postgresql_partition_by="RANGE (sampled_at)",
)


orphan_records = Table(
    "orphan_records",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    charge_point_column(),
    Column("kind", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("raw", Text),
    time_column("received_at"),
    # Of a stop that waits for its start: the time it names, and the transaction it was joined to.
    time_column("stopped_at", nullable=True),
    Column("transaction_id", Integer),
    Column("digest", BigInteger, nullable=False),
    # As with transactions: a stop that fits none is for billing all the same.
    charge_point_reference(ondelete="NO ACTION"),
    UniqueConstraint("tenant_id", "charge_point_id", "digest"),
    CheckConstraint("kind in ('stop_unknown_transaction', 'stop_conflict', 'invalid')", name="kind"),
)
