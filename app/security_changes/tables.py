"""The tables of security changes. Only the store of this package and the migrations use them."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

security_changes = Table(
    "security_changes",
    metadata,
    tenant_column(),
    Column("id", UUID(as_uuid=True), primary_key=True),
    charge_point_column(),
    Column("kind", Text, nullable=False),
    Column("from_profile", SmallInteger),
    Column("to_profile", SmallInteger),
    Column("state", Text, nullable=False),
    Column("detail", Text),
    Column("command_id", UUID(as_uuid=True)),
    Column("requested_by", Text, nullable=False),
    time_column("requested_at"),
    time_column("answered_at", nullable=True),
    time_column("ended_at", nullable=True),
    # When a sweep looks at it again.
    time_column("check_at", nullable=True),
    charge_point_reference(),
    CheckConstraint("kind in ('credential', 'security_profile')", name="kind"),
    # One change of each kind is open at a time.
    Index(
        "ix_security_changes_open",
        "tenant_id",
        "charge_point_id",
        "kind",
        unique=True,
        postgresql_where=text("ended_at is null"),
    ),
    Index("ix_security_changes_charge_point", "tenant_id", "charge_point_id", "kind", "requested_at"),
    Index("ix_security_changes_check", "check_at", postgresql_where=text("ended_at is null")),
)

credential_rotation_policies = Table(
    "credential_rotation_policies",
    metadata,
    tenant_column(),
    Column("every_days", Integer, nullable=False),
    time_column("updated_at"),
    Column("updated_by", Text, nullable=False),
    CheckConstraint("every_days between 1 and 3650", name="every_days"),
)
