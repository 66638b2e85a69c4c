"""The tables of commands. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

CARRIES_CHARGING_PROFILE = (
    "action in ('SetChargingProfile', 'ClearChargingProfile')"
    " or (action = 'RemoteStartTransaction' and payload -> 'chargingProfile' is not null)"
)
"""The condition of the index of commands that may change the charging profiles of a charge point."""


commands = Table(
    "commands",
    metadata,
    tenant_column(),
    Column("id", UUID(as_uuid=True), primary_key=True),
    charge_point_column(),
    Column("action", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    time_column("created_at"),
    time_column("deadline_at"),
    time_column("sent_at", nullable=True),
    time_column("finished_at", nullable=True),
    Column("worker", Text),
    Column("epoch", BigInteger),
    Column("timeout_s", Double, nullable=False),
    Column("result", JSONB(none_as_null=True)),
    Column("error", JSONB(none_as_null=True)),
    Column("late_result", JSONB(none_as_null=True)),
    Column("effect", JSONB(none_as_null=True)),
    # When `no_effect` is noted, unless an effect is observed before.
    time_column("effect_due_at", nullable=True),
    # Of a command that may wait: whether it is queued until its charge point connects, or ends as offline.
    Column("when_offline", Text),
    time_column("not_before", nullable=True),
    # Of a command that waits: when a worker looks at it next.
    time_column("check_at", nullable=True),
    # Of a command that waits and has secrets: what is sent, encrypted.
    Column("sealed_payload", LargeBinary),
    Column("bulk_id", UUID(as_uuid=True)),
    Column("idempotency_key", Text),
    Column("request_digest", LargeBinary),
    Column("credential_hash", LargeBinary),
    Column("issued_by", Text, nullable=False),
    # Decided when the command is recorded: its end may change other rows, which belong into one transaction.
    Column("has_effects", Boolean, nullable=False, server_default=text("false")),
    # Of a command with a charging profile: since when no answer to it, late or not, can matter any more.
    time_column("superseded_at", nullable=True),
    # Of such a command in doubt: whether an operator says that the charge point has carried it out.
    Column("carried_out", Boolean),
    charge_point_reference(),
    UniqueConstraint("tenant_id", "idempotency_key"),
    Index("ix_commands_page", "tenant_id", "created_at", "id"),
    Index("ix_commands_charge_point", "tenant_id", "charge_point_id", "created_at"),
    Index("ix_commands_state", "tenant_id", "state", "created_at", "id"),
    Index("ix_commands_action", "tenant_id", "action", "created_at", "id"),
    Index(
        "ix_commands_effect_due",
        "effect_due_at",
        postgresql_where=text("effect is null and effect_due_at is not null"),
    ),
    Index(
        "ix_commands_check",
        "check_at",
        postgresql_where=text("state = 'waiting' and bulk_id is null"),
    ),
    Index("ix_commands_waiting", "deadline_at", postgresql_where=text("state = 'waiting'")),
    # The commands of a charge point that wait, and those before them that are not over.
    Index(
        "ix_commands_line",
        "tenant_id",
        "charge_point_id",
        postgresql_where=text("when_offline is not null and state in ('waiting', 'queued', 'sent')"),
    ),
    Index(
        "ix_commands_bulk",
        "tenant_id",
        "bulk_id",
        "created_at",
        "id",
        postgresql_where=text("bulk_id is not null"),
    ),
    Index(
        "ix_commands_bulk_check",
        "tenant_id",
        "bulk_id",
        "check_at",
        postgresql_where=text("bulk_id is not null and state = 'waiting'"),
    ),
    Index(
        "ix_commands_bulk_active",
        "tenant_id",
        "bulk_id",
        postgresql_where=text("bulk_id is not null and state in ('queued', 'sent')"),
    ),
    Index("ix_commands_open", "deadline_at", postgresql_where=text("state in ('queued', 'sent')")),
    Index(
        "ix_commands_without_effect",
        "tenant_id",
        "charge_point_id",
        "created_at",
        postgresql_where=text(
            "(effect is null or effect ->> 'observed' = 'no_effect')"
            " and action in ('RemoteStartTransaction', 'RemoteStopTransaction', 'Reset')"
        ),
    ),
    Index(
        "ix_commands_charging_profiles",
        "tenant_id",
        "charge_point_id",
        "sent_at",
        postgresql_where=text(f"superseded_at is null and ({CARRIES_CHARGING_PROFILE})"),
    ),
)
