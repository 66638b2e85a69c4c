"""The tables of security events and alarms. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from app.database.schema import metadata, tenant_column, time_column

security_events = Table(
    "security_events",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, nullable=False),
    # No reference: the events of a charge point outlive it.
    Column("charge_point_id", BigInteger),
    # Empty if none is known.
    Column("identity", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("critical", Boolean, nullable=False),
    Column("reported_timestamp", Text),
    time_column("occurred_at"),
    Column("is_time_plausible", Boolean, nullable=False),
    Column("tech_info", Text),
    time_column("received_at"),
    time_column("last_received_at"),
    Column("copies", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    UniqueConstraint("tenant_id", "digest"),
    CheckConstraint("source in ('charge_point', 'central_system')", name="source"),
    Index("ix_security_events_identity", "tenant_id", "identity", "id"),
    Index("ix_security_events_type", "tenant_id", "type", "id"),
    Index("ix_security_events_occurred", "tenant_id", "occurred_at"),
    Index("ix_security_events_critical", "tenant_id", "id", postgresql_where=text("critical")),
    Index("ix_security_events_own", "tenant_id", "id", postgresql_where=text("source = 'central_system'")),
    Index("ix_security_events_received", "received_at"),
)

security_alarms = Table(
    "security_alarms",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("identity", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("first_event_id", BigInteger, nullable=False),
    Column("last_event_id", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    time_column("raised_at"),
    time_column("last_at"),
    time_column("acknowledged_at", nullable=True),
    Column("acknowledged_by", Text),
    Column("reason", Text),
    # One alarm of each kind waits at a time, and counts further events.
    Index(
        "ix_security_alarms_open",
        "tenant_id",
        "identity",
        "type",
        unique=True,
        postgresql_where=text("acknowledged_at is null"),
    ),
    Index("ix_security_alarms_identity", "tenant_id", "identity", "id"),
)
