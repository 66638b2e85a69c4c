"""The tables of tenants and API keys. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
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
    # The lowest security profile on which its charge points may connect.
    Column("minimum_security_profile", SmallInteger, nullable=False, server_default=text("0")),
    # Whose web pages may read answers to its keys; `*` names every origin.
    Column("allowed_origins", ARRAY(Text, as_tuple=True), nullable=False, server_default=text("'{}'")),
    # The next number for a stored charging profile. A number is never used again.
    Column("next_charging_profile_id", BigInteger, nullable=False, server_default=text("1")),
    # Since when, and why, the operator of the server keeps it out. Its charge points and keys are refused.
    time_column("suspended_at", nullable=True),
    Column("suspension_reason", Text),
    # Since when only its billing records are left.
    time_column("deleted_at", nullable=True),
    time_column("created_at"),
    CheckConstraint("(suspended_at is null) = (suspension_reason is null)", name="suspension"),
    CheckConstraint("minimum_security_profile between 0 and 3", name="minimum_security_profile"),
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
