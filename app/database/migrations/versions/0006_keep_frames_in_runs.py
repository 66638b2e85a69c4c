"""Keep frames in runs: one row for what a connection sent and received between two writes of the log.

A row for each frame costs PostgreSQL more than the record the frame brings.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create table frame_runs (
            id bigint not null,
            tenant_id bigint not null,
            charge_point_id bigint not null,
            connection_id text not null,
            at timestamptz not null,
            times timestamptz[] not null,
            directions text[] not null,
            texts text[] not null,
            deviations jsonb[]
        )
        """
    )
    # In the order of their first frames, so that the index on the time alone stays small.
    op.execute(
        """
        insert into frame_runs
        select min(id), tenant_id, charge_point_id, connection_id, max(at),
            array_agg(at order by at, id), array_agg(direction order by at, id),
            array_agg(text order by at, id), array_agg(deviations order by at, id)
        from frames
        group by tenant_id, charge_point_id, connection_id, date_trunc('second', at)
        order by min(id)
        """
    )
    op.drop_table("frames")
    op.create_index("ix_frame_runs_charge_point", "frame_runs", ["charge_point_id", "at"])
    op.create_index("ix_frame_runs_at", "frame_runs", ["at"], postgresql_using="brin")


def downgrade() -> None:
    """Go back to the revision before."""
    op.execute(
        """
        create table frames (
            id bigint not null,
            tenant_id bigint not null,
            charge_point_id bigint not null,
            at timestamptz not null,
            direction text not null,
            text text not null,
            deviations jsonb,
            connection_id text not null
        )
        """
    )
    op.execute(
        """
        insert into frames
        select run.id + frame.place - 1, tenant_id, charge_point_id, frame.at, frame.direction, frame.text,
            frame.deviations, connection_id
        from frame_runs as run, unnest(times, directions, texts, deviations) with ordinality
            as frame (at, direction, text, deviations, place)
        order by 1
        """
    )
    op.drop_table("frame_runs")
    op.create_index("ix_frames_charge_point", "frames", ["charge_point_id", "at"])
    op.create_index("ix_frames_at", "frames", ["at"], postgresql_using="brin")
