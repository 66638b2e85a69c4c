"""Keep certificate authorities, requests, certificates, and what is installed on charge points."""

from collections.abc import Sequence

from alembic import op

revision: str = "0032"
down_revision: str | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_STATEMENTS = (
    """
    create table certificate_authorities (
        tenant_id bigint not null,
        id bigint generated always as identity,
        state text not null,
        organization text not null,
        key_type text not null,
        serial text not null,
        certificate text not null,
        private_key bytea not null,
        certificate_days integer not null,
        not_before timestamptz not null,
        not_after timestamptz not null,
        created_at timestamptz not null,
        revision bigint generated always as identity,
        constraint pk_certificate_authorities primary key (tenant_id, id),
        constraint ck_certificate_authorities_state check (state in ('active', 'retired', 'distrusted')),
        constraint fk_certificate_authorities_tenant_id
            foreign key (tenant_id)
            references tenants (id) on delete cascade
    )
    """,
    """
    create unique index ix_certificate_authorities_active on certificate_authorities (tenant_id)
        where state = 'active'
    """,
    """
    create table external_certificate_authorities (
        tenant_id bigint not null,
        url text not null,
        organization text,
        anchors text not null,
        secret bytea not null,
        created_at timestamptz not null,
        updated_at timestamptz not null,
        revision bigint generated always as identity,
        constraint pk_external_certificate_authorities primary key (tenant_id),
        constraint fk_external_certificate_authorities_tenant_id
            foreign key (tenant_id)
            references tenants (id) on delete cascade
    )
    """,
    """
    create table certificate_requests (
        tenant_id bigint not null,
        id bigint generated always as identity,
        charge_point_id bigint not null,
        csr text not null,
        state text not null,
        reason text,
        detail text,
        certificate_id bigint,
        command_id uuid,
        trigger_command_id uuid,
        attempts integer not null,
        sends integer not null,
        doubts integer not null,
        next_at timestamptz,
        received_at timestamptz not null,
        updated_at timestamptz not null,
        constraint pk_certificate_requests primary key (tenant_id, id),
        constraint fk_certificate_requests_tenant_id_charge_point_id
            foreign key (tenant_id, charge_point_id)
            references charge_points (tenant_id, id) on delete cascade,
        constraint fk_certificate_requests_tenant_id
            foreign key (tenant_id)
            references tenants (id) on delete cascade
    )
    """,
    """
    create index ix_certificate_requests_charge_point
        on certificate_requests (tenant_id, charge_point_id, received_at)
    """,
    """
    create index ix_certificate_requests_next on certificate_requests (next_at) where next_at is not null
    """,
    """
    create table charge_point_certificates (
        tenant_id bigint not null,
        id bigint generated always as identity,
        identity text not null,
        serial text not null,
        subject text not null,
        issuer text not null,
        issuer_name_hash text not null,
        fingerprint text not null,
        chain text not null,
        not_before timestamptz not null,
        not_after timestamptz not null,
        state text not null,
        revoked_at timestamptz,
        revocation_reason text,
        renew_at timestamptz,
        renewal_attempts integer not null,
        created_at timestamptz not null,
        constraint pk_charge_point_certificates primary key (tenant_id, id),
        constraint uq_charge_point_certificates_tenant_id_fingerprint unique (tenant_id, fingerprint),
        constraint ck_charge_point_certificates_state
            check (state in ('issued', 'sent', 'accepted', 'rejected', 'revoked')),
        constraint fk_charge_point_certificates_tenant_id
            foreign key (tenant_id)
            references tenants (id) on delete cascade
    )
    """,
    """
    create index ix_charge_point_certificates_identity on charge_point_certificates (tenant_id, identity)
    """,
    """
    create index ix_charge_point_certificates_renew on charge_point_certificates (renew_at)
        where renew_at is not null
    """,
    """
    create index ix_charge_point_certificates_revoked on charge_point_certificates (tenant_id)
        where state = 'revoked'
    """,
    """
    create index ix_charge_point_certificates_serial on charge_point_certificates (tenant_id, serial)
    """,
    """
    create table certificate_triggers (
        tenant_id bigint not null,
        charge_point_id bigint not null,
        command_id uuid not null,
        issued_at timestamptz not null,
        accepted_at timestamptz not null,
        constraint pk_certificate_triggers primary key (tenant_id, charge_point_id),
        constraint fk_certificate_triggers_tenant_id_charge_point_id
            foreign key (tenant_id, charge_point_id)
            references charge_points (tenant_id, id) on delete cascade,
        constraint fk_certificate_triggers_tenant_id
            foreign key (tenant_id)
            references tenants (id) on delete cascade
    )
    """,
    """
    create table known_certificates (
        tenant_id bigint not null,
        fingerprint text not null,
        certificate text not null,
        subject text not null,
        issuer text not null,
        serial text not null,
        not_before timestamptz not null,
        not_after timestamptz not null,
        hashes jsonb not null,
        used_at timestamptz not null,
        constraint pk_known_certificates primary key (tenant_id, fingerprint),
        constraint fk_known_certificates_tenant_id
            foreign key (tenant_id)
            references tenants (id) on delete cascade
    )
    """,
    """
    create table installed_certificates (
        tenant_id bigint not null,
        charge_point_id bigint not null,
        id text not null,
        certificate_type text not null,
        hash_data jsonb not null,
        state text not null,
        at timestamptz not null,
        deletion text,
        fingerprint text,
        constraint pk_installed_certificates primary key (tenant_id, charge_point_id, id),
        constraint fk_installed_certificates_tenant_id_charge_point_id
            foreign key (tenant_id, charge_point_id)
            references charge_points (tenant_id, id) on delete cascade,
        constraint ck_installed_certificates_state
            check (state in ('reported', 'accepted', 'rejected', 'failed')),
        constraint ck_installed_certificates_deletion check (deletion in ('requested', 'failed', 'unknown')),
        constraint fk_installed_certificates_tenant_id
            foreign key (tenant_id)
            references tenants (id) on delete cascade
    )
    """,
    """
    create table installed_certificate_reports (
        tenant_id bigint not null,
        charge_point_id bigint not null,
        certificate_type text not null,
        reported_at timestamptz not null,
        constraint pk_installed_certificate_reports
            primary key (tenant_id, charge_point_id, certificate_type),
        constraint fk_installed_certificate_reports_tenant_id_charge_point_id
            foreign key (tenant_id, charge_point_id)
            references charge_points (tenant_id, id) on delete cascade,
        constraint fk_installed_certificate_reports_tenant_id
            foreign key (tenant_id)
            references tenants (id) on delete cascade
    )
    """,
)


def upgrade() -> None:
    """Go to this revision."""
    for statement in _STATEMENTS:
        op.execute(statement)
    # Their ends change rows from now on.
    op.execute(
        "update commands set has_effects = true where state in ('queued', 'sent') and action in "
        "('CertificateSigned', 'DeleteCertificate', 'ExtendedTriggerMessage', 'GetInstalledCertificateIds', "
        "'InstallCertificate')"
    )


def downgrade() -> None:
    """Go back to the revision before."""
    for table in (
        "installed_certificate_reports",
        "installed_certificates",
        "known_certificates",
        "certificate_triggers",
        "charge_point_certificates",
        "certificate_requests",
        "external_certificate_authorities",
        "certificate_authorities",
    ):
        op.drop_table(table)
