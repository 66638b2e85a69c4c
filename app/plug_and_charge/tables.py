"""The tables of Plug & Charge. Only the stores of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

plug_and_charge_settings = Table(
    "plug_and_charge_settings",
    metadata,
    tenant_column(),
    Column("kind", Text, primary_key=True),
    Column("settings", JSONB, nullable=False),
    # Encrypted with a key from the pepper of the server.
    Column("secrets", LargeBinary),
    time_column("created_at"),
    time_column("updated_at"),
    CheckConstraint("kind in ('contract_endpoint', 'v2g_authority', 'validation')", name="kind"),
)

v2g_certificate_requests = Table(
    "v2g_certificate_requests",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    charge_point_column(),
    Column("dialect", Text, nullable=False),
    Column("csr", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("chain", Text),
    Column("fingerprint", Text),
    time_column("not_after", nullable=True),
    Column("command_id", UUID(as_uuid=True)),
    Column("attempts", Integer, nullable=False),
    Column("sends", Integer, nullable=False),
    Column("doubts", Integer, nullable=False),
    time_column("next_at", nullable=True),
    time_column("received_at"),
    time_column("updated_at"),
    charge_point_reference(),
    Index("ix_v2g_certificate_requests_charge_point", "tenant_id", "charge_point_id", "id"),
    Index("ix_v2g_certificate_requests_fingerprint", "tenant_id", "fingerprint"),
    Index("ix_v2g_certificate_requests_next", "next_at", postgresql_where=text("next_at is not null")),
)

plug_and_charge_reports = Table(
    "plug_and_charge_reports",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("status", Text, nullable=False),
    Column("certificates", JSONB, nullable=False),
    time_column("reported_at"),
    Column("command_id", UUID(as_uuid=True), nullable=False),
    charge_point_reference(),
)
