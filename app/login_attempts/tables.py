"""The table of refused logins. Only the store of this package and the migrations use it."""

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from app.database.schema import metadata, tenant_column, time_column

login_attempts = Table(
    "login_attempts",
    metadata,
    tenant_column(),
    # Given again with each repetition, so that it has the order of last_at.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # Empty if the request named none.
    Column("identity", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("remote", Text, nullable=False),
    Column("detail", Text),
    Column("count", Integer, nullable=False),
    time_column("first_at"),
    time_column("last_at"),
    UniqueConstraint("tenant_id", "identity", "reason", "remote"),
)
