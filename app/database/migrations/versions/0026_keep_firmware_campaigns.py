"""Keep firmware campaigns, and their charge points."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.TIMESTAMP(timezone=True)
_UUID = postgresql.UUID(as_uuid=True)


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "firmware_campaigns",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", _UUID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("source", postgresql.JSONB(), nullable=False),
        sa.Column("plan", postgresql.JSONB(), nullable=False),
        sa.Column("sealed_location", sa.LargeBinary()),
        sa.Column("wave_began", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("next_step_at", _TIME),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_firmware_campaigns"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_firmware_campaigns_tenant_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_firmware_campaigns_page", "firmware_campaigns", ["tenant_id", "created_at", "id"])
    op.create_index(
        "ix_firmware_campaigns_step",
        "firmware_campaigns",
        ["next_step_at"],
        postgresql_where=sa.text("next_step_at is not null"),
    )
    op.create_table(
        "firmware_campaign_targets",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", _UUID, nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("job_id", _UUID),
        sa.Column("checked_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.PrimaryKeyConstraint(
            "tenant_id", "campaign_id", "charge_point_id", name="pk_firmware_campaign_targets"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_firmware_campaign_targets_tenant_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "charge_point_id"],
            ["charge_points.tenant_id", "charge_points.id"],
            name="fk_firmware_campaign_targets_tenant_id_charge_point_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "campaign_id"],
            ["firmware_campaigns.tenant_id", "firmware_campaigns.id"],
            name="fk_firmware_campaign_targets_tenant_id_campaign_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_firmware_campaign_targets_state",
        "firmware_campaign_targets",
        ["tenant_id", "campaign_id", "state", "wave"],
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("firmware_campaign_targets")
    op.drop_table("firmware_campaigns")
