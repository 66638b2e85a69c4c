"""Select the charge points of local lists as everything else does: by labels, facts, and identities."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0038"
down_revision: str | None = "0037"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# A list for all charge points had those that it named, too.
_TO_SELECTORS = """
    update local_lists as list set selector = case
        when list.all_charge_points then '{}'::jsonb
        else (
            select jsonb_build_object('identities', jsonb_agg(point.identity order by point.identity))
            from charge_points as point
            where point.tenant_id = list.tenant_id and point.id = any(list.charge_point_ids)
            having count(*) > 0
        )
    end
"""
_FROM_SELECTORS = """
    update local_lists as list set
        all_charge_points = coalesce(list.selector = '{}'::jsonb, false),
        charge_point_ids = array(
            select point.id from charge_points as point
            where point.tenant_id = list.tenant_id and list.selector -> 'identities' ? point.identity
            order by point.id
        )
"""


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("local_lists", sa.Column("selector", postgresql.JSONB()))
    op.execute(_TO_SELECTORS)
    op.drop_column("local_lists", "all_charge_points")
    op.drop_column("local_lists", "charge_point_ids")


def downgrade() -> None:
    """Return to the revision before. Lists that select by labels or facts are for no charge point then."""
    op.add_column(
        "local_lists",
        sa.Column("all_charge_points", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.add_column(
        "local_lists",
        sa.Column(
            "charge_point_ids",
            postgresql.ARRAY(sa.BigInteger()),
            nullable=False,
            server_default=sa.text("'{}'::bigint[]"),
        ),
    )
    op.execute(_FROM_SELECTORS)
    op.alter_column("local_lists", "all_charge_points", server_default=None)
    op.alter_column("local_lists", "charge_point_ids", server_default=None)
    op.drop_column("local_lists", "selector")
