"""Label charge points, find them by what they are, and import credentials."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column(
        "charge_points",
        sa.Column("labels", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
    )
    op.add_column(
        "charge_points",
        sa.Column("allow_weak_credential", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.execute("create index ix_charge_points_name on charge_points (tenant_id, lower(name))")
    op.create_index("ix_charge_points_model", "charge_points", ["tenant_id", "vendor", "model"])
    op.create_index("ix_charge_points_labels", "charge_points", ["labels"], postgresql_using="gin")
    op.create_index(
        "ix_connectors_faults",
        "connectors",
        ["tenant_id", "error_code", "charge_point_id", "connector_id"],
        postgresql_where=sa.text("error_code <> 'NoError'"),
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_index("ix_connectors_faults", "connectors")
    op.drop_index("ix_charge_points_labels", "charge_points")
    op.drop_index("ix_charge_points_model", "charge_points")
    op.drop_index("ix_charge_points_name", "charge_points")
    op.drop_column("charge_points", "allow_weak_credential")
    op.drop_column("charge_points", "labels")
