"""The tables of charge points and connectors. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.charge_points.records import BOOT_TEXTS
from app.database.schema import (
    REGISTRATION_STATUS_VALUES,
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

charge_points = Table(
    "charge_points",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("identity", Text, nullable=False),
    Column("name", Text),
    Column("registration_status", Text, nullable=False),
    Column("credential_hash", LargeBinary),
    Column("pending_credential_hash", LargeBinary),
    time_column("pending_until", nullable=True),
    Column("no_credential", Boolean, nullable=False, server_default=text("false")),
    # The lowest security profile that it may connect on. It rises with its logins, and falls by hand only.
    Column("minimum_security_profile", SmallInteger, nullable=False, server_default=text("0")),
    # Of its newest login.
    Column("security_profile", SmallInteger),
    # When its present credential was made, or was accepted by it.
    time_column("credential_set_at", nullable=True),
    # When a sweep may look at the age of its credential again.
    time_column("rotation_check_at", nullable=True),
    Column("heartbeat_interval_s", Integer),
    *(Column(name, Text) for name in BOOT_TEXTS),
    time_column("booted_at", nullable=True),
    time_column("last_seen_at", nullable=True),
    Column("clock_skew_s", Double),
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    # Epochs of the newest connections whose end was told, so that a repetition does not tell it again.
    Column("closed_epochs", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    time_column("connected_at", nullable=True),
    time_column("created_at"),
    time_column("updated_at"),
    Column("labels", JSONB, nullable=False, server_default=text("'{}'")),
    Column("allow_weak_credential", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("tenant_id", "identity"),
    # A login looks for its identity in any case, so that the operator can be told.
    Index("ix_charge_points_folded", "tenant_id", text("lower(identity)")),
    Index("ix_charge_points_name", "tenant_id", text("lower(name)")),
    Index("ix_charge_points_model", "tenant_id", "vendor", "model"),
    Index("ix_charge_points_labels", "labels", postgresql_using="gin"),
    CheckConstraint("minimum_security_profile between 0 and 3", name="minimum_security_profile"),
    Index(
        "ix_charge_points_credential_age",
        "tenant_id",
        "credential_set_at",
        postgresql_where=text("credential_hash is not null"),
    ),
    CheckConstraint(f"registration_status {REGISTRATION_STATUS_VALUES}", name="registration_status"),
    # Logins and times of contact change all rows of a page at once. A new version of each row has room in
    # the same page, so that no index is written.
    postgresql_with={"fillfactor": 50},
)


connectors = Table(
    "connectors",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("connector_id", Integer, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("info", Text),
    Column("vendor_id", Text),
    Column("vendor_error_code", Text),
    time_column("reported_at"),
    time_column("received_at"),
    # Reports count in the order of their arrival: of the connection that brought the last one.
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    charge_point_reference(),
    # Few connectors report an error, so this index is rarely written.
    Index(
        "ix_connectors_faults",
        "tenant_id",
        "error_code",
        "charge_point_id",
        "connector_id",
        postgresql_where=text("error_code <> 'NoError'"),
    ),
)
