"""Keep the billing messages that fit no transaction: their charge point cannot be deleted."""

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_NAME = "fk_orphan_records_charge_point_id"


def upgrade() -> None:
    """Go to this revision."""
    _point_to_charge_points("NO ACTION")


def downgrade() -> None:
    """Go back to the revision before."""
    _point_to_charge_points("CASCADE")


def _point_to_charge_points(ondelete: str) -> None:
    op.drop_constraint(_NAME, "orphan_records", type_="foreignkey")
    op.create_foreign_key(
        _NAME, "orphan_records", "charge_points", ["charge_point_id"], ["id"], ondelete=ondelete
    )
