"""The tables of certificates. Only the stores of this package and the migrations use them."""

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
    UniqueConstraint,
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

certificate_authorities = Table(
    "certificate_authorities",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("state", Text, nullable=False),
    Column("organization", Text, nullable=False),
    Column("key_type", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("certificate", Text, nullable=False),
    # Encrypted with a key from the pepper of the server.
    Column("private_key", LargeBinary, nullable=False),
    Column("certificate_days", Integer, nullable=False),
    time_column("not_before"),
    time_column("not_after"),
    time_column("created_at"),
    # Given again with each change, so that workers see that something has changed.
    Column("revision", BigInteger, Identity(always=True), nullable=False),
    CheckConstraint("state in ('active', 'retired', 'distrusted')", name="state"),
    Index(
        "ix_certificate_authorities_active",
        "tenant_id",
        unique=True,
        postgresql_where=text("state = 'active'"),
    ),
)

external_certificate_authorities = Table(
    "external_certificate_authorities",
    metadata,
    tenant_column(),
    Column("url", Text, nullable=False),
    Column("organization", Text),
    Column("anchors", Text, nullable=False),
    # Encrypted with a key from the pepper of the server.
    Column("secret", LargeBinary, nullable=False),
    time_column("created_at"),
    time_column("updated_at"),
    Column("revision", BigInteger, Identity(always=True), nullable=False),
)

certificate_requests = Table(
    "certificate_requests",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    charge_point_column(),
    Column("csr", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("certificate_id", BigInteger),
    Column("command_id", UUID(as_uuid=True)),
    Column("trigger_command_id", UUID(as_uuid=True)),
    Column("attempts", Integer, nullable=False),
    Column("sends", Integer, nullable=False),
    Column("doubts", Integer, nullable=False),
    time_column("next_at", nullable=True),
    time_column("received_at"),
    time_column("updated_at"),
    charge_point_reference(),
    Index("ix_certificate_requests_charge_point", "tenant_id", "charge_point_id", "received_at"),
    Index("ix_certificate_requests_next", "next_at", postgresql_where=text("next_at is not null")),
)

# No reference to the charge point: a revoked certificate stays revoked if it is deleted and made again.
charge_point_certificates = Table(
    "charge_point_certificates",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("identity", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("issuer_name_hash", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("chain", Text, nullable=False),
    time_column("not_before"),
    time_column("not_after"),
    Column("state", Text, nullable=False),
    time_column("revoked_at", nullable=True),
    Column("revocation_reason", Text),
    time_column("renew_at", nullable=True),
    Column("renewal_attempts", Integer, nullable=False),
    time_column("created_at"),
    UniqueConstraint("tenant_id", "fingerprint"),
    CheckConstraint("state in ('issued', 'sent', 'accepted', 'rejected', 'revoked')", name="state"),
    Index("ix_charge_point_certificates_serial", "tenant_id", "serial"),
    Index("ix_charge_point_certificates_identity", "tenant_id", "identity"),
    Index("ix_charge_point_certificates_renew", "renew_at", postgresql_where=text("renew_at is not null")),
    Index("ix_charge_point_certificates_revoked", "tenant_id", postgresql_where=text("state = 'revoked'")),
)

# The newest ExtendedTriggerMessage(SignChargePointCertificate) that a charge point has accepted.
certificate_triggers = Table(
    "certificate_triggers",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("command_id", UUID(as_uuid=True), nullable=False),
    time_column("issued_at"),
    time_column("accepted_at"),
    charge_point_reference(),
)

known_certificates = Table(
    "known_certificates",
    metadata,
    tenant_column(),
    Column("fingerprint", Text, primary_key=True),
    Column("certificate", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("serial", Text, nullable=False),
    time_column("not_before"),
    time_column("not_after"),
    Column("hashes", JSONB, nullable=False),
    time_column("used_at"),
)

installed_certificates = Table(
    "installed_certificates",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("id", Text, primary_key=True),
    Column("certificate_type", Text, nullable=False),
    Column("hash_data", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    time_column("at"),
    Column("deletion", Text),
    Column("fingerprint", Text),
    charge_point_reference(),
    CheckConstraint("state in ('reported', 'accepted', 'rejected', 'failed')", name="state"),
    CheckConstraint("deletion in ('requested', 'failed', 'unknown')", name="deletion"),
)

installed_certificate_reports = Table(
    "installed_certificate_reports",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("certificate_type", Text, primary_key=True),
    time_column("reported_at"),
    charge_point_reference(),
)
