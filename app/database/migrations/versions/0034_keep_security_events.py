"""Keep security events and the alarms of critical ones."""

from collections.abc import Sequence

from alembic import op

revision: str = "0034"
down_revision: str | None = "0032"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create table security_events (
            tenant_id bigint not null,
            id bigint generated always as identity,
            source text not null,
            charge_point_id bigint,
            identity text not null,
            type text not null,
            critical boolean not null,
            reported_timestamp text,
            occurred_at timestamptz not null,
            is_time_plausible boolean not null,
            tech_info text,
            received_at timestamptz not null,
            last_received_at timestamptz not null,
            copies integer not null,
            digest bytea not null,
            constraint pk_security_events primary key (tenant_id, id),
            constraint fk_security_events_tenant_id foreign key (tenant_id)
                references tenants (id) on delete cascade,
            constraint uq_security_events_tenant_id_digest unique (tenant_id, digest),
            constraint ck_security_events_source check (source in ('charge_point', 'central_system'))
        )
        """
    )
    op.execute("create index ix_security_events_identity on security_events (tenant_id, identity, id)")
    op.execute("create index ix_security_events_type on security_events (tenant_id, type, id)")
    op.execute("create index ix_security_events_occurred on security_events (tenant_id, occurred_at)")
    op.execute("create index ix_security_events_critical on security_events (tenant_id, id) where critical")
    op.execute(
        """
        create index ix_security_events_own on security_events (tenant_id, id)
        where source = 'central_system'
        """
    )
    op.execute("create index ix_security_events_received on security_events (received_at)")
    op.execute(
        """
        create table security_alarms (
            tenant_id bigint not null,
            id bigint generated always as identity,
            identity text not null,
            type text not null,
            first_event_id bigint not null,
            last_event_id bigint not null,
            count integer not null,
            raised_at timestamptz not null,
            last_at timestamptz not null,
            acknowledged_at timestamptz,
            acknowledged_by text,
            reason text,
            constraint pk_security_alarms primary key (tenant_id, id),
            constraint fk_security_alarms_tenant_id foreign key (tenant_id)
                references tenants (id) on delete cascade
        )
        """
    )
    op.execute(
        """
        create unique index ix_security_alarms_open on security_alarms (tenant_id, identity, type)
        where acknowledged_at is null
        """
    )
    op.execute("create index ix_security_alarms_identity on security_alarms (tenant_id, identity, id)")


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("security_alarms")
    op.drop_table("security_events")
