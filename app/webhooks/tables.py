"""The tables of webhooks. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.database.schema import metadata, tenant_column, time_column

webhooks = Table(
    "webhooks",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", Text),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("charge_points", ARRAY(Text), nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("disabled_reason", Text),
    time_column("failing_since", nullable=True),
    # Events up to this one have a delivery, or the filters keep them out, or they are of a charge point that
    # is behind.
    Column("position", BigInteger, nullable=False),
    # Charge points with too many pending deliveries: the position up to which the events of each have one.
    Column("behind", JSONB, nullable=False, server_default=text("'{}'")),
    # Encrypted with a key from the pepper of the server.
    Column("secret", LargeBinary, nullable=False),
    Column("previous_secret", LargeBinary),
    time_column("previous_secret_until", nullable=True),
    # Given again with each change by an operator, so that the worker that sends sees it.
    Column("revision", BigInteger, Identity(always=True), nullable=False),
    # The worker that sends, and up to when no other one may.
    Column("lease_worker", Text),
    time_column("lease_until", nullable=True),
    time_column("created_at"),
    time_column("updated_at"),
    CheckConstraint("state in ('active', 'disabled')", name="state"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    tenant_column(),
    Column("webhook_id", Uuid, primary_key=True),
    # Of the event.
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False),
    # Identities that the event tells of.
    Column("charge_points", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    time_column("next_attempt_at"),
    time_column("last_attempt_at", nullable=True),
    Column("status_code", Integer),
    Column("reason", Text),
    Column("detail", Text),
    Column("duration_ms", Integer),
    Column("answer", Text),
    ForeignKeyConstraint(
        ["tenant_id", "webhook_id"], ["webhooks.tenant_id", "webhooks.id"], ondelete="CASCADE"
    ),
    CheckConstraint("state in ('pending', 'delivered', 'dead')", name="state"),
    Index("ix_webhook_deliveries_state", "tenant_id", "webhook_id", "state", "position"),
)
