"""Keep the origins whose web pages may read answers to the keys of a tenant."""

from collections.abc import Sequence

from alembic import op

revision: str = "0045"
down_revision: str | None = "0041"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("alter table tenants add column allowed_origins text[] not null default '{}'")


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_column("tenants", "allowed_origins")
