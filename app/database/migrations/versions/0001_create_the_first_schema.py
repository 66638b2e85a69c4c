"""Create the first schema."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("create sequence transaction_id_seq as integer start 1 maxvalue 2147483647")
    op.create_table(
        "frames",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("deviations", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("connection_id", sa.Text(), nullable=False),
    )
    op.create_index("ix_frames_at", "frames", ["at"], unique=False, postgresql_using="brin")
    op.create_index(
        "ix_frames_charge_point",
        "frames",
        ["charge_point_id", sa.literal_column("at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_table(
        "meter_values",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=True),
        sa.Column("sampled_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("sampled_values", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("charge_point_id", "sampled_at", "digest", name="uq_meter_values_sample"),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("strict_protocol", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("default_registration", sa.Text(), server_default=sa.text("'Accepted'"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "default_registration in ('Accepted', 'Pending', 'Rejected')",
            name=op.f("ck_tenants_default_registration"),
        ),
        sa.CheckConstraint("slug ~ '^[a-z0-9-]{1,40}$'", name=op.f("ck_tenants_slug")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenants_slug")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text(), as_tuple=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_used_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_api_keys_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_index(
        op.f("ix_api_keys_tenant_id_created_at"), "api_keys", ["tenant_id", "created_at"], unique=False
    )
    op.create_table(
        "charge_points",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("registration_status", sa.Text(), nullable=False),
        sa.Column("credential_hash", sa.LargeBinary(), nullable=True),
        sa.Column("pending_credential_hash", sa.LargeBinary(), nullable=True),
        sa.Column("pending_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("no_credential", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("heartbeat_interval_s", sa.Integer(), nullable=True),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("serial_number", sa.Text(), nullable=True),
        sa.Column("box_serial_number", sa.Text(), nullable=True),
        sa.Column("firmware_version", sa.Text(), nullable=True),
        sa.Column("iccid", sa.Text(), nullable=True),
        sa.Column("imsi", sa.Text(), nullable=True),
        sa.Column("meter_type", sa.Text(), nullable=True),
        sa.Column("meter_serial_number", sa.Text(), nullable=True),
        sa.Column("booted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("clock_skew_s", sa.Double(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("connected_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "registration_status in ('Accepted', 'Pending', 'Rejected')",
            name=op.f("ck_charge_points_registration_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_charge_points_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charge_points")),
        sa.UniqueConstraint("tenant_id", "identity", name=op.f("uq_charge_points_tenant_id_identity")),
    )
    op.create_table(
        "id_tags",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id_tag", sa.Text(), nullable=False),
        sa.Column("id_tag_key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("parent_id_tag", sa.Text(), nullable=True),
        sa.Column("max_active_transactions", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status in ('Accepted', 'Blocked', 'Expired', 'Invalid')", name=op.f("ck_id_tags_status")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_id_tags_tenant_id"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("tenant_id", "id_tag_key", name=op.f("uq_id_tags_tenant_id_id_tag_key")),
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("deadline_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("sent_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("timeout_s", sa.Double(), nullable=False),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("late_result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("effect", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_digest", sa.LargeBinary(), nullable=True),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["charge_point_id"],
            ["charge_points.id"],
            name=op.f("fk_commands_charge_point_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_commands_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
        sa.UniqueConstraint(
            "tenant_id", "idempotency_key", name=op.f("uq_commands_tenant_id_idempotency_key")
        ),
    )
    op.create_index("ix_commands_charge_point", "commands", ["charge_point_id", "created_at"], unique=False)
    op.create_index(
        "ix_commands_open",
        "commands",
        ["deadline_at"],
        unique=False,
        postgresql_where=sa.text("state in ('queued', 'sent')"),
    )
    op.create_index("ix_commands_page", "commands", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_commands_without_effect",
        "commands",
        ["charge_point_id", "created_at"],
        unique=False,
        postgresql_where=sa.text(
            "effect is null and action in ('RemoteStartTransaction', 'RemoteStopTransaction')"
        ),
    )
    op.create_table(
        "configuration",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("readonly", sa.Boolean(), nullable=True),
        sa.Column("reported_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["charge_point_id"],
            ["charge_points.id"],
            name=op.f("fk_configuration_charge_point_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_configuration_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("charge_point_id", "key", name=op.f("pk_configuration")),
    )
    op.create_table(
        "connectors",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("connector_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=False),
        sa.Column("info", sa.Text(), nullable=True),
        sa.Column("vendor_id", sa.Text(), nullable=True),
        sa.Column("vendor_error_code", sa.Text(), nullable=True),
        sa.Column("reported_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("effective_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["charge_point_id"],
            ["charge_points.id"],
            name=op.f("fk_connectors_charge_point_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_connectors_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("charge_point_id", "connector_id", name=op.f("pk_connectors")),
    )
    op.create_table(
        "orphan_records",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("stopped_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("transaction_id", sa.Integer(), nullable=True),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind in ('stop_unknown_transaction', 'stop_conflict', 'invalid')",
            name=op.f("ck_orphan_records_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["charge_point_id"],
            ["charge_points.id"],
            name=op.f("fk_orphan_records_charge_point_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_orphan_records_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orphan_records")),
        sa.UniqueConstraint(
            "charge_point_id", "digest", name=op.f("uq_orphan_records_charge_point_id_digest")
        ),
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=False),
        sa.Column("id_tag", sa.Text(), nullable=False),
        sa.Column("id_tag_key", sa.Text(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("started_key", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("started_received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("meter_start_wh", sa.BigInteger(), nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=True),
        sa.Column("id_tag_info", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("stopped_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("stopped_received_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("meter_stop_wh", sa.BigInteger(), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("stop_id_tag", sa.Text(), nullable=True),
        sa.Column(
            "stop_id_tag_info", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("stop_raw", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "flags",
            postgresql.ARRAY(sa.Text(), as_tuple=True),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("remote_start_command_id", sa.UUID(), nullable=True),
        sa.ForeignKeyConstraint(
            ["charge_point_id"],
            ["charge_points.id"],
            name=op.f("fk_transactions_charge_point_id"),
            ondelete="NO ACTION",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_transactions_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
        sa.UniqueConstraint(
            "tenant_id",
            "charge_point_id",
            "connector_id",
            "id_tag_key",
            "started_key",
            "meter_start_wh",
            name="uq_transactions_start",
        ),
    )
    op.create_index(
        "ix_transactions_charge_point", "transactions", ["charge_point_id", "started_at"], unique=False
    )
    op.create_index(
        "ix_transactions_open_tag",
        "transactions",
        ["tenant_id", "id_tag_key"],
        unique=False,
        postgresql_where=sa.text("stopped_received_at is null"),
    )
    op.create_index("ix_transactions_page", "transactions", ["tenant_id", "id"], unique=False)


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_index("ix_transactions_page", table_name="transactions")
    op.drop_index(
        "ix_transactions_open_tag",
        table_name="transactions",
        postgresql_where=sa.text("stopped_received_at is null"),
    )
    op.drop_index("ix_transactions_charge_point", table_name="transactions")
    op.drop_table("transactions")
    op.drop_table("orphan_records")
    op.drop_table("connectors")
    op.drop_table("configuration")
    op.drop_index(
        "ix_commands_without_effect",
        table_name="commands",
        postgresql_where=sa.text(
            "effect is null and action in ('RemoteStartTransaction', 'RemoteStopTransaction')"
        ),
    )
    op.drop_index("ix_commands_page", table_name="commands")
    op.drop_index(
        "ix_commands_open", table_name="commands", postgresql_where=sa.text("state in ('queued', 'sent')")
    )
    op.drop_index("ix_commands_charge_point", table_name="commands")
    op.drop_table("commands")
    op.drop_table("id_tags")
    op.drop_table("charge_points")
    op.drop_index(op.f("ix_api_keys_tenant_id_created_at"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("tenants")
    op.drop_table("meter_values")
    op.drop_index("ix_frames_charge_point", table_name="frames")
    op.drop_index("ix_frames_at", table_name="frames", postgresql_using="brin")
    op.drop_table("frames")
    op.execute("drop sequence transaction_id_seq")
