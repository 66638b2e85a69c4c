"""Find commands by state and by action, and those that still need an effect, without a look at the past."""

from collections.abc import Sequence

from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("create index ix_commands_state on commands (tenant_id, state, created_at, id)")
    op.execute("create index ix_commands_action on commands (tenant_id, action, created_at, id)")
    op.execute(
        """
        create index ix_commands_unexplained on commands (finished_at)
        where effect is null and action in ('RemoteStartTransaction', 'RemoteStopTransaction')
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    for name in ("ix_commands_state", "ix_commands_action", "ix_commands_unexplained"):
        op.drop_index(name, "commands")
