"""Keep events: what changed, written with the change, numbered after its commit."""

from collections.abc import Sequence

from alembic import op

revision: str = "0040"
down_revision: str | None = "0039"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("create sequence event_ids")
    op.execute("create sequence event_positions")
    op.execute(
        """
        create table events (
            tenant_id bigint not null,
            id bigint not null default nextval('event_ids'),
            recorded_at timestamptz not null default now(),
            position bigint,
            type text not null,
            version smallint not null,
            charge_point_id bigint,
            occurred_at timestamptz not null,
            data json,
            packed bytea,
            constraint pk_events primary key (tenant_id, id, recorded_at)
        ) partition by range (recorded_at)
        """
    )
    # A large batch of meter values is dense already, and must not be written again when it gets its number.
    op.execute("alter table events alter packed set storage external")
    op.execute("create index ix_events_unnumbered on events (id) where position is null")
    op.execute("create index ix_events_position on events (tenant_id, position) where position is not null")
    op.execute("create table events_other partition of events default")
    op.execute(
        """
        do $$ begin execute format(
            'create table events_before partition of events for values from (minvalue) to (%L)',
            (date_trunc('day', now() at time zone 'UTC') + interval '1 day') at time zone 'UTC'
        ); end $$
        """
    )
    op.execute(
        """
        create table event_floors (
            tenant_id bigint not null,
            position bigint not null,
            constraint pk_event_floors primary key (tenant_id),
            constraint fk_event_floors_tenant_id_tenants foreign key (tenant_id)
                references tenants (id) on delete cascade
        )
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("event_floors")
    op.drop_table("events")
    op.execute("drop sequence event_positions")
    op.execute("drop sequence event_ids")
