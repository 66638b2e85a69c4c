"""The tables of smart charging. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

charging_profiles = Table(
    "charging_profiles",
    metadata,
    tenant_column(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("description", Text, nullable=False),
    Column("charging_profile", JSONB(none_as_null=True)),
    Column("calendar", JSONB(none_as_null=True)),
    time_column("created_at"),
    time_column("updated_at"),
    CheckConstraint("num_nonnulls(charging_profile, calendar) = 1", name="form"),
)


# The difference that was last told of a connector. None: there was none at the last comparison.
charging_profile_drifts = Table(
    "charging_profile_drifts",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("connector_id", Integer, primary_key=True, autoincrement=False),
    Column("pattern", Text, nullable=False),
    time_column("found_at"),
    charge_point_reference(),
)


# What should be on a charge point. Its commands show what is there.
charging_profile_installations = Table(
    "charging_profile_installations",
    metadata,
    Column("tenant_id", BigInteger, nullable=False),
    Column("charging_profile_id", Integer, nullable=False),
    charge_point_column(),
    Column("connector_id", Integer, nullable=False),
    Column("transaction_id", Integer),
    Column("conversion", JSONB(none_as_null=True)),
    time_column("requested_at"),
    # When to check it: at a clock change, after a change of the stored profile, after a failed try.
    time_column("refresh_at", nullable=True),
    PrimaryKeyConstraint("tenant_id", "charging_profile_id", "charge_point_id"),
    charge_point_reference(),
    ForeignKeyConstraint(
        ["tenant_id", "charging_profile_id"],
        ["charging_profiles.tenant_id", "charging_profiles.id"],
        ondelete="CASCADE",
    ),
    Index("ix_charging_profile_installations_charge_point", "tenant_id", "charge_point_id"),
    Index(
        "ix_charging_profile_installations_due",
        "refresh_at",
        postgresql_where=text("refresh_at is not null"),
    ),
)
