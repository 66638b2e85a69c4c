"""Keep the billing records of tenants that are deleted."""

from collections.abc import Sequence

from alembic import op

revision: str = "0068"
down_revision: str | None = "0067"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("alter table tenants add column deleted_at timestamptz")


def downgrade() -> None:
    """Go back to the revision before. Tenants that were deleted look like suspended ones."""
    op.execute("alter table tenants drop column deleted_at")
