"""Make the positions of events of their ids, so that no row is written again when it gets its place.

Events of before keep their positions. Servers of the version before go on writing events, and the new ones
number these, too. What they cannot do any longer is to number: the sequence that they take for it is gone, so
that no event gets two positions. They list no newer events until they are replaced.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0087"
down_revision: str | None = "0086"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SPACING = 1 << 16


def upgrade() -> None:
    """Go to this revision."""
    # Writers wait for a moment: an event with a lower id must not be committed behind the last one here.
    op.execute("lock table events in share row exclusive mode")
    op.execute(
        """
        with numbered as (
            select tenant_id, id, recorded_at, transaction_id, nextval('event_positions') as position
            from (
                select tenant_id, id, recorded_at,
                    case when type like 'transaction.%' then (data ->> 'id')::integer end as transaction_id
                from events where position is null order by id
            ) as waiting
        ), changed as (
            insert into transaction_positions (tenant_id, transaction_id, position)
            select tenant_id, transaction_id, max(position) from numbered
            where transaction_id is not null group by tenant_id, transaction_id
            on conflict (tenant_id, transaction_id) do update set position = excluded.position
        )
        update events set position = numbered.position from numbered
        where events.tenant_id = numbered.tenant_id and events.id = numbered.id
            and events.recorded_at = numbered.recorded_at
        """
    )
    op.execute(
        """
        create table event_numbering (
            is_only boolean constraint pk_event_numbering primary key default true,
            first_id bigint not null,
            last_id bigint not null,
            last_position bigint not null,
            constraint ck_event_numbering_is_only check (is_only)
        )
        """
    )
    # New ids lie behind all ids and positions of before.
    op.execute(
        f"""
        insert into event_numbering (first_id, last_id, last_position)
        select last + 1, last, last * {_SPACING} from (
            select setval('event_ids', greatest(
                (select last_value from event_ids), (select last_value from event_positions)
            )) as last
        ) as ids
        """  # noqa: S608 - a number of this file
    )
    op.execute(
        """
        create table missing_event_ids (
            first_id bigint constraint pk_missing_event_ids primary key,
            last_id bigint not null,
            noted_at timestamptz not null,
            next_transaction bigint not null
        )
        """
    )
    op.execute(
        """
        create table late_events (
            tenant_id bigint not null,
            id bigint not null,
            position bigint not null,
            recorded_at timestamptz not null,
            constraint pk_late_events primary key (tenant_id, id)
        )
        """
    )
    op.execute("create index ix_late_events_position on late_events (tenant_id, position)")
    op.execute("alter table late_events enable row level security")
    op.execute(
        "create policy tenant on late_events "
        "using (tenant_id = nullif(current_setting('stationmaster.tenant', true), '')::bigint)"
    )
    op.execute("drop sequence event_positions")


def downgrade() -> None:
    """Go back to the revision before. All events are written again, with their positions.

    New ids lie behind all positions, so an upgrade after this makes the ids 65 536 times as high. There is
    room for it once, with fewer than 2 000 million events so far. Without room that upgrade fails with
    "bigint out of range", and the revision before stays.
    """
    op.execute("lock table events in share row exclusive mode")
    op.execute(
        """
        update events set position = late_events.position from late_events
        where events.tenant_id = late_events.tenant_id and events.id = late_events.id
            and events.recorded_at = late_events.recorded_at
        """
    )
    op.execute(
        f"""
        update events set position = id * {_SPACING}
        where position is null and id <= (select last_id from event_numbering) and not exists (
            select from missing_event_ids as missing
            where events.id between missing.first_id and missing.last_id
        )
        """  # noqa: S608 - a number of this file
    )
    op.execute("create sequence event_positions")
    op.execute("select setval('event_positions', (select last_position from event_numbering))")
    for table in ("late_events", "missing_event_ids", "event_numbering"):
        op.drop_table(table)
