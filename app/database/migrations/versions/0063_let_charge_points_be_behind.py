"""Let charge points whose events a receiver does not take be behind, without those of the others."""

from collections.abc import Sequence

from alembic import op

revision: str = "0063"
down_revision: str | None = "0062"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("alter table webhooks add column behind jsonb not null default '{}'")


def downgrade() -> None:
    """Go back to the revision before. The events of charge points that are behind come by a replay only."""
    op.execute("alter table webhooks drop column behind")
