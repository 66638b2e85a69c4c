"""The tables of id tags. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

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
    # Of the group that has this tag's name: how many may run on all its tags.
    Column("max_active_transactions_of_group", Integer),
    Column("note", Text),
    # Where the tag may charge; null: everywhere. The ids of charge points are never used again.
    Column("charge_point_ids", ARRAY(BigInteger, as_tuple=True)),
    time_column("created_at"),
    time_column("updated_at"),
    CheckConstraint("status in ('Accepted', 'Blocked', 'Expired', 'Invalid')", name="status"),
    Index(
        "ix_id_tags_group",
        "tenant_id",
        text("lower(parent_id_tag)"),
        postgresql_where=text("parent_id_tag is not null"),
    ),
)


_POLICY_VALUES = "in ('refuse', 'accept', 'free_charging')"

authorization_policies = Table(
    "authorization_policies",
    metadata,
    tenant_column(),
    Column("unknown_id_tags", Text, nullable=False),
    Column("max_active_transactions", Integer),
    Column("max_active_transactions_of_group", Integer),
    time_column("updated_at"),
    CheckConstraint(f"unknown_id_tags {_POLICY_VALUES}", name="unknown_id_tags"),
)

charge_point_authorization_policies = Table(
    "charge_point_authorization_policies",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    charge_point_reference(),
    Column("unknown_id_tags", Text, nullable=False),
    time_column("updated_at"),
    CheckConstraint(f"unknown_id_tags {_POLICY_VALUES}", name="unknown_id_tags"),
)
