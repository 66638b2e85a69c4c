"""The tables of transactions. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
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
    # started_at, or a constant if the reported time says nothing: a retry must not depend on its arrival.
    time_column("started_key"),
    # Of the sessions with such a time, and all else equal: how many came before.
    Column("start_number", Integer, nullable=False, server_default=text("0")),
    Column("start_message_id", Text),
    # With the id it is the order of arrival: of the connection that brought the start.
    Column("started_epoch", BigInteger, nullable=False, server_default=text("0")),
    time_column("started_received_at"),
    Column("meter_start_wh", BigInteger),
    Column("reservation_id", BigInteger),
    Column("id_tag_info", JSONB, nullable=False),
    time_column("stopped_at", nullable=True),
    time_column("stopped_received_at", nullable=True),
    Column("meter_stop_wh", BigInteger),
    Column("stop_reason", Text),
    Column("stop_id_tag", Text),
    Column("stop_id_tag_info", JSONB(none_as_null=True)),
    Column("stop_raw", JSONB(none_as_null=True)),
    # Something showed that it is over, and no stop has come.
    time_column("presumed_ended_at", nullable=True),
    Column("presumed_ended_reason", Text),
    # The register at that time, as far as samples tell.
    Column("last_meter_wh", BigInteger),
    Column("flags", ARRAY(Text, as_tuple=True), nullable=False, server_default=text("'{}'")),
    Column("remote_start_command_id", UUID(as_uuid=True)),
    # The frames as they were received, with their deviations, packed.
    Column("start_evidence", LargeBinary),
    Column("stop_evidence", LargeBinary),
    # A charge point with transactions cannot be deleted: they are billing records.
    charge_point_reference(ondelete="NO ACTION"),
    UniqueConstraint(
        "tenant_id",
        "charge_point_id",
        "connector_id",
        "id_tag_key",
        "started_key",
        "meter_start_wh",
        "start_number",
        name="uq_transactions_start",
        postgresql_nulls_not_distinct=True,
    ),
    Index("ix_transactions_start", "tenant_id", "started_at", "id"),
    Index("ix_transactions_charge_point", "tenant_id", "charge_point_id", "started_at", "id"),
    Index("ix_transactions_connector", "tenant_id", "charge_point_id", "connector_id", "started_at", "id"),
    Index("ix_transactions_id_tag", "tenant_id", "id_tag_key", "started_at", "id"),
    Index(
        "ix_transactions_running",
        "tenant_id",
        "started_at",
        "id",
        postgresql_where=text("stopped_received_at is null and presumed_ended_at is null"),
    ),
    # Firmware that never stops a transaction leaves thousands without a stop, but few that run.
    Index(
        "ix_transactions_running_charge_point",
        "tenant_id",
        "charge_point_id",
        postgresql_where=text("stopped_received_at is null and presumed_ended_at is null"),
    ),
    Index(
        "ix_transactions_open",
        "tenant_id",
        "charge_point_id",
        "started_epoch",
        "id",
        postgresql_where=text("stopped_received_at is null"),
    ),
    Index("ix_transactions_stopped", "tenant_id", "charge_point_id", "stopped_received_at"),
    Index(
        "ix_transactions_open_tag",
        "tenant_id",
        "id_tag_key",
        postgresql_where=text("stopped_received_at is null"),
    ),
    Index(
        "ix_transactions_open_group",
        "tenant_id",
        text("lower(id_tag_info ->> 'parentIdTag')"),
        postgresql_where=text("stopped_received_at is null and id_tag_info ->> 'parentIdTag' is not null"),
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
    # The text as it came, as the core packs it.
    Column("packed_values", LargeBinary),
    # Of a row that a server of an older version has written, instead of `packed_values`.
    Column("sampled_values", JSON),
    Column("digest", BigInteger, nullable=False),
    # A time that says nothing, as it came: then `sampled_at` is that of the arrival of the first copy.
    Column("reported_time", Text),
    PrimaryKeyConstraint("tenant_id", "charge_point_id", "sampled_at", "digest"),
    # A retry of such a sample is found whenever it comes.
    Index(
        "ix_meter_values_undated",
        "tenant_id",
        "charge_point_id",
        "digest",
        postgresql_where=text("reported_time is not null"),
    ),
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
    # Of a stop that waits for its start: what the start is found by, the times of its samples, and the
    # transaction that it was joined to.
    time_column("stopped_at", nullable=True),
    Column("meter_stop_wh", BigInteger),
    Column("id_tag_key", Text),
    Column("awaits_start", Boolean, nullable=False, server_default=text("false")),
    time_column("samples_from", nullable=True),
    time_column("samples_to", nullable=True),
    Column("transaction_id", Integer),
    Column("digest", BigInteger, nullable=False),
    # As with transactions: a stop that fits none is for billing all the same.
    charge_point_reference(ondelete="NO ACTION"),
    UniqueConstraint("tenant_id", "charge_point_id", "digest"),
    Index(
        "ix_orphan_records_waiting",
        "tenant_id",
        "charge_point_id",
        "received_at",
        postgresql_where=text("awaits_start and transaction_id is null"),
    ),
    Index("ix_orphan_records_charge_point", "tenant_id", "charge_point_id", "id"),
    Index("ix_orphan_records_transaction", "tenant_id", "transaction_id"),
    CheckConstraint(
        "kind in ('stop_unknown_transaction', 'stop_conflict', 'invalid', 'damaged')", name="kind"
    ),
)
