"""Keep local authorization lists in step with the tags: the lists, and what charge points have of them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    time = sa.TIMESTAMP(timezone=True)
    op.create_table(
        "local_lists",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("all_id_tags", sa.Boolean(), nullable=False),
        sa.Column("groups", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("id_tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("all_charge_points", sa.Boolean(), nullable=False),
        sa.Column("charge_point_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("tags_seen", sa.Text()),
        sa.Column("scan_at", time, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.Column("updated_at", time, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name="pk_local_lists"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_local_lists_tenant_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_local_lists_scan", "local_lists", ["scan_at"], postgresql_where=sa.text("enabled"))
    op.create_table(
        "local_list_states",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("sync", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("supported", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("version", sa.BigInteger()),
        sa.Column("entries", postgresql.JSONB()),
        sa.Column("highest_version", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("doubt", postgresql.JSONB()),
        sa.Column("verify", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("drifted", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("status", sa.Text()),
        sa.Column("status_at", time),
        sa.Column("reported_version", sa.BigInteger()),
        sa.Column("reported_at", time),
        sa.Column("last_sent", postgresql.JSONB()),
        sa.Column("in_flight", postgresql.JSONB()),
        sa.Column("limits_asked_at", time),
        sa.Column("check_at", time),
        sa.PrimaryKeyConstraint("tenant_id", "charge_point_id", name="pk_local_list_states"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_local_list_states_tenant_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "charge_point_id"],
            ["charge_points.tenant_id", "charge_points.id"],
            name="fk_local_list_states_tenant_id_charge_point_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_local_list_states_check",
        "local_list_states",
        ["check_at"],
        postgresql_where=sa.text("check_at is not null"),
    )
    # The ends of commands that are under way now belong to the lists, too.
    op.execute(
        "update commands set has_effects = true where state in ('queued', 'sent') "
        "and action in ('SendLocalList', 'GetLocalListVersion')"
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("local_list_states")
    op.drop_table("local_lists")
