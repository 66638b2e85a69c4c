"""Leave room in the pages of charge points, so that a login or a time of contact touches no index.

It holds for pages that are filled from now on. Each change moves a row of a full page to such a page.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0086"
down_revision: str | None = "0085"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("alter table charge_points set (fillfactor = 50)")


def downgrade() -> None:
    """Go back to the revision before."""
    op.execute("alter table charge_points reset (fillfactor)")
