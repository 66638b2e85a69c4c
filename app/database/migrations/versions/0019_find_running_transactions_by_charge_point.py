"""Find what runs on a charge point, although it has never stopped thousands of transactions."""

from collections.abc import Sequence

from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create index ix_transactions_running_charge_point on transactions (tenant_id, charge_point_id)
        where stopped_received_at is null and presumed_ended_at is null
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_index("ix_transactions_running_charge_point", "transactions")
