"""Keep the desired configuration of charge points, and how far each key has come."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.TIMESTAMP(timezone=True)


def _of_charge_point(table: str, *columns: sa.Column[object], key: tuple[str, ...] = ()) -> None:
    op.create_table(
        table,
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("tenant_id", "charge_point_id", *key, name=f"pk_{table}"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "charge_point_id"],
            ["charge_points.tenant_id", "charge_points.id"],
            name=f"fk_{table}_tenant_id_charge_point_id",
            ondelete="CASCADE",
        ),
    )


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("configuration", sa.Column("source", sa.Text()))
    op.add_column("configuration", sa.Column("issued_by", sa.Text()))
    op.create_table(
        "configuration_templates",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("selector", postgresql.JSONB(), nullable=False),
        sa.Column("keys", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name="pk_configuration_templates"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_configuration_templates_tenant_id", ondelete="CASCADE"
        ),
    )
    _of_charge_point(
        "desired_configuration",
        sa.Column("keys", postgresql.JSONB(), nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
    )
    _of_charge_point(
        "configuration_states",
        sa.Column("folded_key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", _TIME, nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("read_at", _TIME),
        key=("folded_key",),
    )
    op.create_check_constraint(
        op.f("ck_configuration_states_state"),
        "configuration_states",
        "state in ('pending', 'sent', 'accepted', 'in_sync', 'unverified', 'drifted', 'reboot_required', "
        "'rejected', 'not_supported', 'failed')",
    )
    _of_charge_point(
        "configuration_reviews",
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("leased_until", _TIME),
        sa.Column("not_before", _TIME),
        sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    op.create_index("ix_configuration_reviews_due_at", "configuration_reviews", ["due_at"])


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("configuration_reviews")
    op.drop_table("configuration_states")
    op.drop_table("desired_configuration")
    op.drop_table("configuration_templates")
    op.drop_column("configuration", "issued_by")
    op.drop_column("configuration", "source")
