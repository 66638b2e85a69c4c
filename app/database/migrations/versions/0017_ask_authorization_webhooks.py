"""Ask authorization webhooks of tenants; limit how many transactions run on a group of tags."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = postgresql.TIMESTAMP(timezone=True)
_OF_GROUP = "max_active_transactions_of_group"


def _tenant_reference(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id"], ["tenants.id"], name=op.f(f"fk_{table}_tenant_id"), ondelete="CASCADE"
    )


def upgrade() -> None:
    """Go to this revision."""
    for table in ("id_tags", "authorization_policies"):
        op.add_column(table, sa.Column(_OF_GROUP, sa.Integer(), nullable=True))
    op.execute(
        """
        create index ix_transactions_open_group
        on transactions (tenant_id, lower(id_tag_info ->> 'parentIdTag'))
        where stopped_received_at is null and id_tag_info ->> 'parentIdTag' is not null
        """
    )
    op.create_table(
        "authorization_webhooks",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("deadline_ms", sa.Integer(), nullable=False),
        sa.Column("fallback", sa.Text(), nullable=False),
        sa.Column("asked_about", sa.Text(), nullable=False),
        sa.Column("cache_s", sa.Integer(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_secret_until", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("revision", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.CheckConstraint(
            "fallback in ('local', 'accept', 'refuse')", name=op.f("ck_authorization_webhooks_fallback")
        ),
        sa.CheckConstraint(
            "asked_about in ('always', 'unknown_tags')", name=op.f("ck_authorization_webhooks_asked_about")
        ),
        _tenant_reference("authorization_webhooks"),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_authorization_webhooks")),
    )
    op.create_table(
        "authorization_attempts",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("charge_point", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=True),
        sa.Column("id_tag", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        _tenant_reference("authorization_attempts"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_authorization_attempts")),
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("authorization_attempts")
    op.drop_table("authorization_webhooks")
    op.drop_index("ix_transactions_open_group", "transactions")
    for table in ("authorization_policies", "id_tags"):
        op.drop_column(table, _OF_GROUP)
