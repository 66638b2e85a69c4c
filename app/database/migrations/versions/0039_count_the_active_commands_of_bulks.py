"""Index the commands of bulks that are under way, so that each take does not count the whole bulk."""

from collections.abc import Sequence

from alembic import op

revision: str = "0039"
down_revision: str | None = "0038"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create index ix_commands_bulk_active on commands (tenant_id, bulk_id)
        where bulk_id is not null and state in ('queued', 'sent')
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.execute("drop index ix_commands_bulk_active")
