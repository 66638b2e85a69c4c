"""Store samples as the text they came as, and frames under numbers that the server gives.

`jsonb` takes samples apart when they are written, which is half of a row's cost, and nothing looks into them.
A sequence costs a frame as much as its text.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("alter table meter_values alter sampled_values type json using sampled_values::json")
    op.execute("alter table frames alter id drop identity")
    op.drop_index("ix_frames_charge_point", table_name="frames")
    op.create_index("ix_frames_charge_point", "frames", ["charge_point_id", "at"])


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_index("ix_frames_charge_point", table_name="frames")
    op.create_index(
        "ix_frames_charge_point", "frames", ["charge_point_id", sa.text("at desc"), sa.text("id desc")]
    )
    # Numbers that the server gave are far above those of a new sequence, and need not be unique.
    op.execute("alter table frames alter id add generated always as identity")
    op.execute("alter table meter_values alter sampled_values type jsonb using sampled_values::jsonb")
