"""The tables of users. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from app.database.schema import metadata, tenant_column, time_column


def _user_reference() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE")


users = Table(
    "users",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text),
    time_column("created_at"),
    time_column("last_login_at", nullable=True),
    time_column("locked_at", nullable=True),
    CheckConstraint("role in ('viewer', 'operator', 'admin')", name="role"),
    UniqueConstraint("tenant_id", "name", name="uq_users_name"),
)

user_sessions = Table(
    "user_sessions",
    metadata,
    tenant_column(),
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    time_column("created_at"),
    time_column("seen_at"),
    time_column("expires_at"),
    _user_reference(),
    # A cookie names a session, not a tenant.
    Index("uq_user_sessions_token_hash", "token_hash", unique=True),
    Index("ix_user_sessions_user", "tenant_id", "user_id", "created_at"),
)

login_links = Table(
    "login_links",
    metadata,
    tenant_column(),
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    time_column("created_at"),
    time_column("expires_at"),
    _user_reference(),
    Index("uq_login_links_token_hash", "token_hash", unique=True),
    Index("ix_login_links_user", "tenant_id", "user_id"),
)

passkeys = Table(
    "passkeys",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    time_column("created_at"),
    time_column("last_used_at", nullable=True),
    _user_reference(),
    # A browser names a credential, not a tenant.
    Index("uq_passkeys_credential_id", "credential_id", unique=True),
    Index("ix_passkeys_user", "tenant_id", "user_id", "id"),
)
