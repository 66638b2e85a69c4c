"""The table of the quirk profiles of tenants. Only the store of this package and the migrations use it."""

from sqlalchemy import Column, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from app.database.schema import metadata, tenant_column, time_column

quirk_profiles = Table(
    "quirk_profiles",
    metadata,
    tenant_column(),
    Column("name", Text, primary_key=True),
    Column("vendor", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("firmware", Text, nullable=False),
    Column("note", Text),
    Column("habits", JSONB, nullable=False),
    time_column("created_at"),
    time_column("updated_at"),
)
