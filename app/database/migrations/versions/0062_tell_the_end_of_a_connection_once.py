"""Know which ends of connections were told, so that a repeated statement tells none again."""

from collections.abc import Sequence

from alembic import op

revision: str = "0062"
down_revision: str | None = "0061"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("alter table charge_points add column closed_epochs bigint[] not null default '{}'")


def downgrade() -> None:
    """Go back to the revision before."""
    op.execute("alter table charge_points drop column closed_epochs")
