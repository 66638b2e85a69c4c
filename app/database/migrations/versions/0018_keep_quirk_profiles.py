"""Keep the quirk profiles of tenants, and which charge points cannot be triggered."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "quirk_profiles",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("firmware", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("habits", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name="pk_quirk_profiles"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_quirk_profiles_tenant_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "trigger_refusals",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("firmware_version", sa.Text()),
        sa.Column("learned_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "charge_point_id", name="pk_trigger_refusals"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_trigger_refusals_tenant_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "charge_point_id"],
            ["charge_points.tenant_id", "charge_points.id"],
            name="fk_trigger_refusals_tenant_id_charge_point_id",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("trigger_refusals")
    op.drop_table("quirk_profiles")
