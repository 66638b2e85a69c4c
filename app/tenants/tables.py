"""The tables of tenants and API keys. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from app.database.schema import REGISTRATION_STATUS_VALUES, metadata, tenant_column, time_column
from app.types import SLUG_PATTERN

tenants = Table(
    "tenants",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("strict_protocol", Boolean, nullable=False, server_default=text("false")),
    Column("default_registration", Text, nullable=False, server_default=text("'Accepted'")),
    # The next number for a stored charging profile. A number is never used again.
    Column("next_charging_profile_id", BigInteger, nullable=False, server_default=text("1")),
    time_column("created_at"),
    CheckConstraint(f"slug ~ '^{SLUG_PATTERN}$'", name="slug"),
    CheckConstraint(f"default_registration {REGISTRATION_STATUS_VALUES}", name="default_registration"),
)


api_keys = Table(
    "api_keys",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    tenant_column(primary_key=False, nullable=True),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False, unique=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text, as_tuple=True), nullable=False),
    time_column("expires_at", nullable=True),
    time_column("revoked_at", nullable=True),
    time_column("created_at"),
    time_column("last_used_at", nullable=True),
    Index(None, "tenant_id", "created_at"),
)
