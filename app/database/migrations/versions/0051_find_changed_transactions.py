"""Find the transactions that have changed since a position in the order of events."""

from collections.abc import Sequence

from alembic import op

revision: str = "0051"
down_revision: str | None = "0050"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create table transaction_positions (
            tenant_id bigint not null,
            transaction_id integer not null,
            position bigint not null,
            constraint pk_transaction_positions primary key (tenant_id, transaction_id)
        )
        """
    )
    op.execute(
        """
        insert into transaction_positions (tenant_id, transaction_id, position)
        select tenant_id, id, 0 from transactions
        """
    )
    op.execute(
        """
        create index ix_transaction_positions_position
        on transaction_positions (tenant_id, position, transaction_id)
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("transaction_positions")
