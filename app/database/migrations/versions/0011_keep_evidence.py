"""Keep the frames of starts and stops with their transaction."""

from collections.abc import Sequence

from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("alter table transactions add column start_evidence bytea, add column stop_evidence bytea")
    op.execute("create index ix_orphan_records_transaction on orphan_records (tenant_id, transaction_id)")


def downgrade() -> None:
    """Go back to the revision before."""
    op.execute("drop index ix_orphan_records_transaction")
    op.execute("alter table transactions drop column start_evidence, drop column stop_evidence")
