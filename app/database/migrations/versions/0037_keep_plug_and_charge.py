"""Keep what Plug & Charge needs, and compare the tags of contracts without hyphens.

An eMAID that is stored with hyphens gets the key without them, unless the tenant has both.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0037"
down_revision: str | None = "0036"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_EMAID = "^[a-z]{2}-?[a-z0-9]{3}-?[a-z0-9]{9}(-?[a-z0-9])?$"


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create table plug_and_charge_settings (
            tenant_id bigint not null,
            kind text not null,
            settings jsonb not null,
            secrets bytea,
            created_at timestamptz not null,
            updated_at timestamptz not null,
            constraint pk_plug_and_charge_settings primary key (tenant_id, kind),
            constraint fk_plug_and_charge_settings_tenant_id foreign key (tenant_id)
                references tenants (id) on delete cascade,
            constraint ck_plug_and_charge_settings_kind
                check (kind in ('contract_endpoint', 'v2g_authority', 'validation'))
        )
        """
    )
    op.execute(
        """
        create table v2g_certificate_requests (
            tenant_id bigint not null,
            id bigint generated always as identity,
            charge_point_id bigint not null,
            dialect text not null,
            csr text not null,
            state text not null,
            reason text,
            detail text,
            chain text,
            fingerprint text,
            not_after timestamptz,
            command_id uuid,
            attempts integer not null,
            sends integer not null,
            doubts integer not null,
            next_at timestamptz,
            received_at timestamptz not null,
            updated_at timestamptz not null,
            constraint pk_v2g_certificate_requests primary key (tenant_id, id),
            constraint fk_v2g_certificate_requests_tenant_id foreign key (tenant_id)
                references tenants (id) on delete cascade,
            constraint fk_v2g_certificate_requests_tenant_id_charge_point_id
                foreign key (tenant_id, charge_point_id)
                references charge_points (tenant_id, id) on delete cascade
        )
        """
    )
    op.execute(
        """
        create index ix_v2g_certificate_requests_charge_point
        on v2g_certificate_requests (tenant_id, charge_point_id, id)
        """
    )
    op.execute(
        """
        create index ix_v2g_certificate_requests_fingerprint
        on v2g_certificate_requests (tenant_id, fingerprint)
        """
    )
    op.execute(
        """
        create index ix_v2g_certificate_requests_next
        on v2g_certificate_requests (next_at) where next_at is not null
        """
    )
    op.execute(
        """
        create table plug_and_charge_reports (
            tenant_id bigint not null,
            charge_point_id bigint not null,
            status text not null,
            certificates jsonb not null,
            reported_at timestamptz not null,
            command_id uuid not null,
            constraint pk_plug_and_charge_reports primary key (tenant_id, charge_point_id),
            constraint fk_plug_and_charge_reports_tenant_id foreign key (tenant_id)
                references tenants (id) on delete cascade,
            constraint fk_plug_and_charge_reports_tenant_id_charge_point_id
                foreign key (tenant_id, charge_point_id)
                references charge_points (tenant_id, id) on delete cascade
        )
        """
    )
    op.execute(
        f"""
        update id_tags as one set id_tag_key = replace(id_tag_key, '-', '')
        where strpos(id_tag_key, '-') > 0 and id_tag_key ~ '{_EMAID}' and not exists (
            select from id_tags as other
            where other.tenant_id = one.tenant_id and other.id_tag_key <> one.id_tag_key
                and replace(other.id_tag_key, '-', '') = replace(one.id_tag_key, '-', '')
        )
        """  # noqa: S608 - a pattern of ours
    )


def downgrade() -> None:
    """Go back to the revision before. The keys of eMAIDs stay without hyphens."""
    op.drop_table("plug_and_charge_reports")
    op.drop_table("v2g_certificate_requests")
    op.drop_table("plug_and_charge_settings")
