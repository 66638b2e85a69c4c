"""Keep refused logins, and find a charge point whose identity is written in another case."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "login_attempts",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_login_attempts"),
        sa.UniqueConstraint(
            "tenant_id",
            "identity",
            "reason",
            "remote",
            name="uq_login_attempts_tenant_id_identity_reason_remote",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_login_attempts_tenant_id", ondelete="CASCADE"
        ),
    )
    # A login looks for its identity in any case, so that the operator can be told.
    op.create_index("ix_charge_points_folded", "charge_points", ["tenant_id", sa.text("lower(identity)")])


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_index("ix_charge_points_folded", "charge_points")
    op.drop_table("login_attempts")
