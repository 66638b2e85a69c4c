"""Keep the firmware updates of charge points, and the firmware status that each has last reported."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.TIMESTAMP(timezone=True)
_UUID = postgresql.UUID(as_uuid=True)


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "firmware_jobs",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", _UUID, nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("retrieve_date", _TIME, nullable=False),
        sa.Column("timeout_s", sa.Integer(), nullable=False),
        sa.Column("deadline_at", _TIME, nullable=False),
        sa.Column("request_id", sa.BigInteger()),
        sa.Column("location", sa.Text()),
        sa.Column("sealed_location", sa.LargeBinary()),
        sa.Column("file_id", sa.Text()),
        sa.Column("retries", sa.BigInteger()),
        sa.Column("retry_interval_s", sa.BigInteger()),
        sa.Column("signing_certificate", sa.Text()),
        sa.Column("signature", sa.Text()),
        sa.Column("install_date", _TIME),
        sa.Column("signature_note", sa.Text()),
        sa.Column("target_version", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.Column("command_id", _UUID),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("retry_of", _UUID),
        sa.Column("campaign_id", _UUID),
        sa.Column("status", sa.Text()),
        sa.Column("status_at", _TIME),
        sa.Column("statuses", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'")),
        sa.Column("firmware_version_before", sa.Text()),
        sa.Column("firmware_version_after", sa.Text()),
        sa.Column("issued_at", _TIME),
        sa.Column("answered_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("send_until", _TIME),
        sa.Column("review_at", _TIME),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_firmware_jobs"),
        *_references("firmware_jobs"),
    )
    op.create_index("ix_firmware_jobs_page", "firmware_jobs", ["tenant_id", "created_at", "id"])
    op.create_index(
        "ix_firmware_jobs_charge_point", "firmware_jobs", ["tenant_id", "charge_point_id", "created_at", "id"]
    )
    op.create_index(
        "ix_firmware_jobs_campaign",
        "firmware_jobs",
        ["tenant_id", "campaign_id"],
        postgresql_where=sa.text("campaign_id is not null"),
    )
    op.create_index(
        "ix_firmware_jobs_review",
        "firmware_jobs",
        ["review_at"],
        postgresql_where=sa.text("review_at is not null"),
    )
    op.create_table(
        "firmware_statuses",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("is_signed", sa.Boolean(), nullable=False),
        sa.Column("request_id", sa.BigInteger()),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("job_id", _UUID),
        sa.PrimaryKeyConstraint("tenant_id", "charge_point_id", name="pk_firmware_statuses"),
        *_references("firmware_statuses"),
    )
    # The ends of commands that are open now make firmware jobs, too.
    op.execute(
        """
        update commands set has_effects = true
        where state in ('queued', 'sent') and action in ('UpdateFirmware', 'SignedUpdateFirmware')
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("firmware_statuses")
    op.drop_table("firmware_jobs")


def _references(table: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "charge_point_id"],
            ["charge_points.tenant_id", "charge_points.id"],
            name=f"fk_{table}_tenant_id_charge_point_id",
            ondelete="CASCADE",
        ),
    ]
