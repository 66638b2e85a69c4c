"""Let an admin lock a user."""

from collections.abc import Sequence

from alembic import op

revision: str = "0061"
down_revision: str | None = "0060"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("alter table users add column locked_at timestamptz")


def downgrade() -> None:
    """Go back to the revision before. Users who are locked may log in again."""
    op.execute("alter table users drop column locked_at")
