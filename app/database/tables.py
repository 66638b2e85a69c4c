"""The tables. `tenant_id` stands in each of them and in each unique index; rows cross tenants nowhere.

Readers and writers of the store only. The migrations build what is declared here.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, TIMESTAMP, UUID

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_TIME = TIMESTAMP(timezone=True)


def _time(name: str, nullable: bool = False) -> Column[object]:
    return Column(name, _TIME, nullable=nullable)


def _tenant(nullable: bool = False) -> Column[object]:
    return Column("tenant_id", BigInteger, ForeignKey("tenants.id", ondelete="CASCADE"), nullable=nullable)


def _charge_point(primary_key: bool = False, ondelete: str = "CASCADE") -> Column[object]:
    reference = ForeignKey("charge_points.id", ondelete=ondelete)
    return Column("charge_point_id", BigInteger, reference, nullable=False, primary_key=primary_key)


_REGISTRATION = "in ('Accepted', 'Pending', 'Rejected')"

tenants = Table(
    "tenants",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("strict_protocol", Boolean, nullable=False, server_default=text("false")),
    Column("default_registration", Text, nullable=False, server_default=text("'Accepted'")),
    # The next number for a stored charging profile; numbers are never given twice.
    Column("next_charging_profile_id", BigInteger, nullable=False, server_default=text("1")),
    _time("created_at"),
    CheckConstraint("slug ~ '^[a-z0-9-]{1,40}$'", name="slug"),
    CheckConstraint(f"default_registration {_REGISTRATION}", name="default_registration"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    _tenant(nullable=True),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False, unique=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text, as_tuple=True), nullable=False),
    _time("expires_at", nullable=True),
    _time("revoked_at", nullable=True),
    _time("created_at"),
    _time("last_used_at", nullable=True),
    Index(None, "tenant_id", "created_at"),
)

_BOOT_TEXTS = (
    "vendor",
    "model",
    "serial_number",
    "box_serial_number",
    "firmware_version",
    "iccid",
    "imsi",
    "meter_type",
    "meter_serial_number",
)

charge_points = Table(
    "charge_points",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _tenant(),
    Column("identity", Text, nullable=False),
    Column("name", Text),
    Column("registration_status", Text, nullable=False),
    Column("credential_hash", LargeBinary),
    Column("pending_credential_hash", LargeBinary),
    _time("pending_until", nullable=True),
    Column("no_credential", Boolean, nullable=False, server_default=text("false")),
    Column("heartbeat_interval_s", Integer),
    *(Column(name, Text) for name in _BOOT_TEXTS),
    _time("booted_at", nullable=True),
    _time("last_seen_at", nullable=True),
    Column("clock_skew_s", Double),
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    _time("connected_at", nullable=True),
    _time("created_at"),
    _time("updated_at"),
    UniqueConstraint("tenant_id", "identity"),
    CheckConstraint(f"registration_status {_REGISTRATION}", name="registration_status"),
)

connectors = Table(
    "connectors",
    metadata,
    _tenant(),
    _charge_point(primary_key=True),
    Column("connector_id", Integer, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("info", Text),
    Column("vendor_id", Text),
    Column("vendor_error_code", Text),
    _time("reported_at"),
    _time("received_at"),
    # What orders the reports: reported_at where that is plausible, else received_at.
    _time("effective_at"),
)

id_tags = Table(
    "id_tags",
    metadata,
    _tenant(),
    Column("id_tag", Text, nullable=False),
    Column("id_tag_key", Text, nullable=False),
    Column("status", Text, nullable=False),
    _time("expires_at", nullable=True),
    Column("parent_id_tag", Text),
    Column("max_active_transactions", Integer),
    Column("note", Text),
    _time("created_at"),
    _time("updated_at"),
    UniqueConstraint("tenant_id", "id_tag_key"),
    CheckConstraint("status in ('Accepted', 'Blocked', 'Expired', 'Invalid')", name="status"),
)

transaction_id_seq = Sequence(
    "transaction_id_seq", metadata=metadata, data_type=Integer, start=1, maxvalue=2**31 - 1
)

transactions = Table(
    "transactions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _tenant(),
    # A charge point with transactions cannot be deleted: they are billing records.
    _charge_point(ondelete="NO ACTION"),
    # bigint: what a charge point reports must fit, however odd it is.
    Column("connector_id", BigInteger, nullable=False),
    Column("id_tag", Text, nullable=False),
    Column("id_tag_key", Text, nullable=False),
    _time("started_at"),
    # started_at, or a constant when the reported time was unreadable: a retry must not depend on its arrival.
    _time("started_key"),
    _time("started_received_at"),
    Column("meter_start_wh", BigInteger, nullable=False),
    Column("reservation_id", BigInteger),
    Column("id_tag_info", JSONB, nullable=False),
    _time("stopped_at", nullable=True),
    _time("stopped_received_at", nullable=True),
    Column("meter_stop_wh", BigInteger),
    Column("stop_reason", Text),
    Column("stop_id_tag", Text),
    Column("stop_id_tag_info", JSONB(none_as_null=True)),
    Column("stop_raw", JSONB(none_as_null=True)),
    Column("flags", ARRAY(Text, as_tuple=True), nullable=False, server_default=text("'{}'")),
    Column("remote_start_command_id", UUID(as_uuid=True)),
    UniqueConstraint(
        "tenant_id",
        "charge_point_id",
        "connector_id",
        "id_tag_key",
        "started_key",
        "meter_start_wh",
        name="uq_transactions_start",
    ),
    Index("ix_transactions_charge_point", "charge_point_id", "started_at"),
    Index("ix_transactions_page", "tenant_id", "id"),
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
    _time("sampled_at"),
    _time("received_at"),
    Column("context", Text, nullable=False),
    # The text as it came: `jsonb` would take it apart for each row, and nothing looks into it.
    Column("sampled_values", JSON, nullable=False),
    Column("digest", BigInteger, nullable=False),
    UniqueConstraint("charge_point_id", "sampled_at", "digest", name="uq_meter_values_sample"),
)

orphan_records = Table(
    "orphan_records",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _tenant(),
    # As with transactions: a stop that fits none is for billing all the same.
    _charge_point(ondelete="NO ACTION"),
    Column("kind", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("raw", Text),
    _time("received_at"),
    # Of a stop that waits for its start: the time it names, and the transaction it was joined to.
    _time("stopped_at", nullable=True),
    Column("transaction_id", Integer),
    Column("digest", BigInteger, nullable=False),
    UniqueConstraint("charge_point_id", "digest"),
    CheckConstraint("kind in ('stop_unknown_transaction', 'stop_conflict', 'invalid')", name="kind"),
)

CARRIES_CHARGING_PROFILE = (
    "action in ('SetChargingProfile', 'ClearChargingProfile')"
    " or (action = 'RemoteStartTransaction' and payload -> 'chargingProfile' is not null)"
)
"""What picks the commands that may change the charging profiles of a charge point."""

commands = Table(
    "commands",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    _tenant(),
    _charge_point(),
    Column("action", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    _time("created_at"),
    _time("deadline_at"),
    _time("sent_at", nullable=True),
    _time("finished_at", nullable=True),
    Column("worker", Text),
    Column("epoch", BigInteger),
    Column("timeout_s", Double, nullable=False),
    Column("result", JSONB(none_as_null=True)),
    Column("error", JSONB(none_as_null=True)),
    Column("late_result", JSONB(none_as_null=True)),
    Column("effect", JSONB(none_as_null=True)),
    Column("idempotency_key", Text),
    Column("request_digest", LargeBinary),
    Column("credential_hash", LargeBinary),
    Column("issued_by", Text, nullable=False),
    # Of a command with a charging profile: when no answer to it, late or not, could matter any more.
    _time("superseded_at", nullable=True),
    UniqueConstraint("tenant_id", "idempotency_key"),
    Index("ix_commands_page", "tenant_id", "created_at", "id"),
    Index("ix_commands_charge_point", "charge_point_id", "created_at"),
    Index("ix_commands_open", "deadline_at", postgresql_where=text("state in ('queued', 'sent')")),
    Index(
        "ix_commands_without_effect",
        "charge_point_id",
        "created_at",
        postgresql_where=text(
            "effect is null and action in ('RemoteStartTransaction', 'RemoteStopTransaction')"
        ),
    ),
    Index(
        "ix_commands_charging_profiles",
        "charge_point_id",
        "sent_at",
        postgresql_where=text(f"superseded_at is null and ({CARRIES_CHARGING_PROFILE})"),
    ),
)

charging_profiles = Table(
    "charging_profiles",
    metadata,
    _tenant(),
    Column("id", Integer, nullable=False, autoincrement=False),
    Column("description", Text, nullable=False),
    Column("charging_profile", JSONB(none_as_null=True)),
    Column("calendar", JSONB(none_as_null=True)),
    _time("created_at"),
    _time("updated_at"),
    PrimaryKeyConstraint("tenant_id", "id"),
    CheckConstraint("num_nonnulls(charging_profile, calendar) = 1", name="form"),
)

# What should be on a charge point. What is there, its commands say.
charging_profile_installations = Table(
    "charging_profile_installations",
    metadata,
    Column("tenant_id", BigInteger, nullable=False),
    Column("charging_profile_id", Integer, nullable=False),
    _charge_point(),
    Column("connector_id", Integer, nullable=False),
    Column("transaction_id", Integer),
    Column("conversion", JSONB(none_as_null=True)),
    _time("requested_at"),
    # When it must be looked at: a clock change, a change of the stored profile, a try that failed.
    _time("refresh_at", nullable=True),
    PrimaryKeyConstraint("tenant_id", "charging_profile_id", "charge_point_id"),
    ForeignKeyConstraint(
        ["tenant_id", "charging_profile_id"],
        ["charging_profiles.tenant_id", "charging_profiles.id"],
        ondelete="CASCADE",
    ),
    Index("ix_charging_profile_installations_charge_point", "charge_point_id"),
    Index(
        "ix_charging_profile_installations_due",
        "refresh_at",
        postgresql_where=text("refresh_at is not null"),
    ),
)

configuration = Table(
    "configuration",
    metadata,
    _tenant(),
    _charge_point(primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text),
    Column("readonly", Boolean),
    _time("reported_at"),
)

frame_runs = Table(
    "frame_runs",
    metadata,
    # The number of the run's first frame, given by the server and rising with the time; the others follow.
    Column("id", BigInteger, nullable=False, autoincrement=False),
    Column("tenant_id", BigInteger, nullable=False),
    Column("charge_point_id", BigInteger, nullable=False),
    Column("connection_id", Text, nullable=False),
    # The time of the last frame; the first one is at most a second older.
    _time("at"),
    Column("times", ARRAY(TIMESTAMP(timezone=True)), nullable=False),
    Column("directions", ARRAY(Text), nullable=False),
    Column("texts", ARRAY(Text), nullable=False),
    Column("deviations", ARRAY(JSONB(none_as_null=True))),
    Index("ix_frame_runs_charge_point", "charge_point_id", "at"),
    # The retention purge walks by time alone.
    Index("ix_frame_runs_at", "at", postgresql_using="brin"),
)
