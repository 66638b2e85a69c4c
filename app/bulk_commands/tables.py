"""The table of bulks. Their commands are rows of `commands`. Only the store and the migrations use it."""

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from app.database.schema import metadata, tenant_column, time_column

bulk_commands = Table(
    "bulk_commands",
    metadata,
    tenant_column(),
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("action", Text, nullable=False),
    # Without secrets.
    Column("payload", JSONB, nullable=False),
    # The filter that found the charge points; null: they were listed.
    Column("filter", JSONB(none_as_null=True)),
    Column("total", Integer, nullable=False),
    time_column("created_at"),
    time_column("deadline_at"),
    time_column("not_before", nullable=True),
    Column("when_offline", Text, nullable=False),
    Column("timeout_s", Double, nullable=False),
    Column("issued_by", Text, nullable=False),
    time_column("cancelled_at", nullable=True),
    time_column("ended_at", nullable=True),
    # When a worker looks at it next; null: it has ended.
    time_column("check_at", nullable=True),
    Column("idempotency_key", Text),
    Column("request_digest", LargeBinary, nullable=False),
    UniqueConstraint("tenant_id", "idempotency_key"),
    Index("ix_bulk_commands_page", "tenant_id", "created_at", "id"),
    Index("ix_bulk_commands_check", "check_at", postgresql_where=text("check_at is not null")),
)
