"""Let commands wait in the database, and know when their effect is overdue."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIMES = ("effect_due_at", "not_before", "check_at")
_INDEXES = (
    "ix_commands_effect_due",
    "ix_commands_check",
    "ix_commands_waiting",
    "ix_commands_line",
    "ix_commands_bulk",
    "ix_commands_bulk_check",
    "ix_commands_without_effect",
)


def upgrade() -> None:
    """Go to this revision."""
    for name in _TIMES:
        op.add_column("commands", sa.Column(name, TIMESTAMP(timezone=True), nullable=True))
    op.add_column("commands", sa.Column("when_offline", sa.Text(), nullable=True))
    op.add_column("commands", sa.Column("sealed_payload", sa.LargeBinary(), nullable=True))
    op.add_column("commands", sa.Column("bulk_id", sa.UUID(), nullable=True))
    # The index of those without an effect finds them, so this does not read the whole table.
    op.execute(
        """
        update commands set effect_due_at = finished_at
            + case action when 'RemoteStartTransaction' then interval '300 s' else interval '1 day' end
        where effect is null and action in ('RemoteStartTransaction', 'RemoteStopTransaction')
            and finished_at is not null
        """
    )
    # It is named as in the table of effects now. This reads the table once.
    op.execute(
        """
        update commands set effect = '{"observed": "no_effect"}'
        where effect ->> 'observed' = 'none'
            and action in ('RemoteStartTransaction', 'RemoteStopTransaction')
        """
    )
    op.drop_index("ix_commands_unexplained", "commands")
    op.drop_index("ix_commands_without_effect", "commands")
    op.execute(
        """
        create index ix_commands_without_effect on commands (tenant_id, charge_point_id, created_at)
        where (effect is null or effect ->> 'observed' = 'no_effect')
            and action in ('RemoteStartTransaction', 'RemoteStopTransaction', 'Reset')
        """
    )
    op.execute(
        """
        create index ix_commands_effect_due on commands (effect_due_at)
        where effect is null and effect_due_at is not null
        """
    )
    op.execute(
        "create index ix_commands_check on commands (check_at) where state = 'waiting' and bulk_id is null"
    )
    op.execute("create index ix_commands_waiting on commands (deadline_at) where state = 'waiting'")
    op.execute(
        """
        create index ix_commands_line on commands (tenant_id, charge_point_id)
        where when_offline is not null and state in ('waiting', 'queued', 'sent')
        """
    )
    op.execute(
        """
        create index ix_commands_bulk on commands (tenant_id, bulk_id, created_at, id)
        where bulk_id is not null
        """
    )
    op.execute(
        """
        create index ix_commands_bulk_check on commands (tenant_id, bulk_id, check_at)
        where bulk_id is not null and state = 'waiting'
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    # A server of the version before does not know commands that wait.
    op.execute(
        """
        update commands set state = 'cancelled', finished_at = now(), check_at = null where state = 'waiting'
        """
    )
    for name in _INDEXES:
        op.drop_index(name, "commands")
    for name in ("bulk_id", "sealed_payload", "when_offline", *_TIMES):
        op.drop_column("commands", name)
    op.execute(
        """
        create index ix_commands_unexplained on commands (finished_at)
        where effect is null and action in ('RemoteStartTransaction', 'RemoteStopTransaction')
        """
    )
    op.execute(
        """
        create index ix_commands_without_effect on commands (tenant_id, charge_point_id, created_at)
        where effect is null and action in ('RemoteStartTransaction', 'RemoteStopTransaction')
        """
    )
