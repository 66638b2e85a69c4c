"""Keep what an operator says of a command that left a doubt about charging profiles."""

from collections.abc import Sequence

from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("alter table commands add column carried_out boolean")


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_column("commands", "carried_out")
