"""The tables of id tags. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Integer,
    Table,
    Text,
)

from app.database.schema import metadata, tenant_column, time_column

id_tags = Table(
    "id_tags",
    metadata,
    tenant_column(),
    Column("id_tag", Text, nullable=False),
    Column("id_tag_key", Text, primary_key=True),
    Column("status", Text, nullable=False),
    time_column("expires_at", nullable=True),
    Column("parent_id_tag", Text),
    Column("max_active_transactions", Integer),
    Column("note", Text),
    time_column("created_at"),
    time_column("updated_at"),
    CheckConstraint("status in ('Accepted', 'Blocked', 'Expired', 'Invalid')", name="status"),
)
