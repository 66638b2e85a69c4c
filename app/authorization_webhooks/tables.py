"""The tables of external authorization. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from app.database.schema import metadata, tenant_column, time_column

authorization_webhooks = Table(
    "authorization_webhooks",
    metadata,
    tenant_column(),
    Column("url", Text, nullable=False),
    Column("deadline_ms", Integer, nullable=False),
    Column("fallback", Text, nullable=False),
    Column("asked_about", Text, nullable=False),
    Column("cache_s", Integer, nullable=False),
    # Encrypted with a key from the pepper of the server.
    Column("secret", LargeBinary, nullable=False),
    Column("previous_secret", LargeBinary),
    time_column("previous_secret_until", nullable=True),
    time_column("created_at"),
    time_column("updated_at"),
    # Given again with each change, so that workers see that something has changed.
    Column("revision", BigInteger, Identity(always=True), nullable=False),
    CheckConstraint("fallback in ('local', 'accept', 'refuse')", name="fallback"),
    CheckConstraint("asked_about in ('always', 'unknown_tags')", name="asked_about"),
)

authorization_attempts = Table(
    "authorization_attempts",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    time_column("at"),
    Column("action", Text, nullable=False),
    Column("charge_point", Text, nullable=False),
    Column("connector_id", BigInteger),
    Column("id_tag", Text, nullable=False),
    # null: it was answered.
    Column("reason", Text),
    Column("detail", Text),
    Column("decided_by", Text, nullable=False),
    Column("status", Text),
    Column("duration_ms", Integer, nullable=False),
    Column("is_test", Boolean, nullable=False),
)
