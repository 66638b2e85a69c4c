"""Keep bulks: one command to many charge points."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    time = TIMESTAMP(timezone=True)
    op.create_table(
        "bulk_commands",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("payload", JSONB(), nullable=False),
        sa.Column("filter", JSONB(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.Column("deadline_at", time, nullable=False),
        sa.Column("not_before", time, nullable=True),
        sa.Column("when_offline", sa.Text(), nullable=False),
        sa.Column("timeout_s", sa.Double(), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.Column("cancelled_at", time, nullable=True),
        sa.Column("ended_at", time, nullable=True),
        sa.Column("check_at", time, nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_bulk_commands_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_bulk_commands"),
        sa.UniqueConstraint(
            "tenant_id", "idempotency_key", name="uq_bulk_commands_tenant_id_idempotency_key"
        ),
    )
    op.create_index("ix_bulk_commands_page", "bulk_commands", ["tenant_id", "created_at", "id"])
    op.create_index(
        "ix_bulk_commands_check",
        "bulk_commands",
        ["check_at"],
        postgresql_where=sa.text("check_at is not null"),
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("bulk_commands")
