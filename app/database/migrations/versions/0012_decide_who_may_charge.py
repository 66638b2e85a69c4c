"""Decide who may charge: policies of tenants and charge points, tags for some charge points only.

Tags are compared without the blanks behind them from now on, so their keys lose them too. Of two tags that
differ in such blanks only, the second one keeps its key, and is never found.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = postgresql.TIMESTAMP(timezone=True)
_UNKNOWN_ID_TAGS = "unknown_id_tags in ('refuse', 'accept', 'free_charging')"


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("id_tags", sa.Column("charge_point_ids", postgresql.ARRAY(sa.BigInteger()), nullable=True))
    op.execute(
        """
        update id_tags as tag set id_tag_key = rtrim(id_tag_key)
        where id_tag_key <> rtrim(id_tag_key) and not exists (
            select from id_tags as other
            where other.tenant_id = tag.tenant_id and other.id_tag_key <> tag.id_tag_key
                and rtrim(other.id_tag_key) = rtrim(tag.id_tag_key)
        )
        """
    )
    op.create_table(
        "authorization_policies",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("unknown_id_tags", sa.Text(), nullable=False),
        sa.Column("max_active_transactions", sa.Integer(), nullable=True),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.CheckConstraint(_UNKNOWN_ID_TAGS, name=op.f("ck_authorization_policies_unknown_id_tags")),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.id"],
            name=op.f("fk_authorization_policies_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_authorization_policies")),
    )
    op.create_table(
        "charge_point_authorization_policies",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("unknown_id_tags", sa.Text(), nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.CheckConstraint(
            _UNKNOWN_ID_TAGS, name=op.f("ck_charge_point_authorization_policies_unknown_id_tags")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.id"],
            name=op.f("fk_charge_point_authorization_policies_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "charge_point_id"],
            ["charge_points.tenant_id", "charge_points.id"],
            name=op.f("fk_charge_point_authorization_policies_tenant_id_charge_point_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "charge_point_id", name=op.f("pk_charge_point_authorization_policies")
        ),
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("charge_point_authorization_policies")
    op.drop_table("authorization_policies")
    op.drop_column("id_tags", "charge_point_ids")
