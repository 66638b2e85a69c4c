"""Keep the uploads of diagnostics and logs that charge points are asked for, and the last status of each."""

from collections.abc import Sequence

from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_UP = (
    # The requestId of GetLog. No charge point has so many jobs that a number would meet itself.
    "create sequence diagnostics_request_ids as integer cycle",
    """
    create table diagnostics_jobs (
        tenant_id bigint not null,
        id uuid not null,
        charge_point_id bigint not null,
        kind text not null,
        state text not null,
        request_id integer,
        location text,
        upload_id uuid,
        file_id uuid,
        file_name text,
        start_time timestamptz,
        stop_time timestamptz,
        retries integer,
        retry_interval_s integer,
        reported_status text,
        reported_at timestamptz,
        command_id uuid,
        retry_of uuid,
        requested_by text not null,
        events jsonb not null,
        created_at timestamptz not null,
        deadline_at timestamptz not null,
        ended_at timestamptz,
        constraint pk_diagnostics_jobs primary key (tenant_id, id),
        constraint fk_diagnostics_jobs_tenant_id foreign key (tenant_id) references tenants (id)
            on delete cascade,
        constraint fk_diagnostics_jobs_tenant_id_charge_point_id foreign key (tenant_id, charge_point_id)
            references charge_points (tenant_id, id) on delete cascade
    )
    """,
    "create index ix_diagnostics_jobs_newest on diagnostics_jobs (tenant_id, created_at desc, id desc)",
    """
    create index ix_diagnostics_jobs_charge_point
    on diagnostics_jobs (tenant_id, charge_point_id, created_at desc)
    """,
    "create index ix_diagnostics_jobs_upload on diagnostics_jobs (tenant_id, upload_id)",
    "create index ix_diagnostics_jobs_command on diagnostics_jobs (tenant_id, command_id)",
    "create index ix_diagnostics_jobs_open on diagnostics_jobs (deadline_at) where ended_at is null",
    "create index ix_diagnostics_jobs_ended on diagnostics_jobs (ended_at) where ended_at is not null",
    """
    create table diagnostics_statuses (
        tenant_id bigint not null,
        charge_point_id bigint not null,
        action text not null,
        status text not null,
        request_id integer,
        job_id uuid,
        received_at timestamptz not null,
        constraint pk_diagnostics_statuses primary key (tenant_id, charge_point_id, action),
        constraint fk_diagnostics_statuses_tenant_id foreign key (tenant_id) references tenants (id)
            on delete cascade,
        constraint fk_diagnostics_statuses_tenant_id_charge_point_id
            foreign key (tenant_id, charge_point_id)
            references charge_points (tenant_id, id) on delete cascade
    )
    """,
)


def upgrade() -> None:
    """Go to this revision."""
    for statement in _UP:
        op.execute(statement)
    # Their ends change rows from now on.
    op.execute(
        "update commands set has_effects = true where state in ('queued', 'sent') and action in "
        "('GetDiagnostics', 'GetLog')"
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("diagnostics_statuses")
    op.drop_table("diagnostics_jobs")
    op.execute("drop sequence diagnostics_request_ids")
