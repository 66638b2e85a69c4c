"""Know which key a command sets: its answer decides on that key only."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("commands", sa.Column("credential_hash", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_column("commands", "credential_hash")
