"""The tables of configuration keys. Only the store of this package and the migrations use them."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

configuration = Table(
    "configuration",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text),
    Column("readonly", Boolean),
    time_column("reported_at"),
    Column("source", Text),
    Column("issued_by", Text),
    charge_point_reference(),
)

configuration_templates = Table(
    "configuration_templates",
    metadata,
    tenant_column(),
    Column("name", Text, primary_key=True),
    Column("priority", Integer, nullable=False),
    Column("selector", JSONB, nullable=False),
    Column("keys", JSONB, nullable=False),
    time_column("created_at"),
    time_column("updated_at"),
)

desired_configuration = Table(
    "desired_configuration",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("keys", JSONB, nullable=False),
    time_column("updated_at"),
    charge_point_reference(),
)

configuration_states = Table(
    "configuration_states",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("folded_key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    time_column("next_at"),
    time_column("since"),
    time_column("read_at", nullable=True),
    charge_point_reference(),
    CheckConstraint(
        "state in ('pending', 'sent', 'accepted', 'in_sync', 'unverified', 'drifted', 'reboot_required', "
        "'rejected', 'not_supported', 'failed')",
        name="state",
    ),
)

configuration_reviews = Table(
    "configuration_reviews",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    time_column("due_at"),
    # One worker has it until then. If that worker dies, another one takes it.
    time_column("leased_until", nullable=True),
    # A charge point that does not answer is left alone until then, however often it logs in.
    time_column("not_before", nullable=True),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    charge_point_reference(),
    Index("ix_configuration_reviews_due_at", "due_at"),
)
