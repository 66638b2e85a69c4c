"""Keep frames and samples packed, next to those that are not: a row takes a third of the bytes.

No row is rewritten. Servers of the version before go on writing the old columns, which stay readable.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.ocpp import unpack_samples

revision: str = "0080"
down_revision: str | None = "0074"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OF_FRAMES = ("connection_id", "times", "directions", "texts")
_ROWS_AT_ONCE = 5000


def upgrade() -> None:
    """Go to this revision."""
    op.execute("alter table frame_runs add column packed bytea")
    for column in _OF_FRAMES:
        op.execute(f"alter table frame_runs alter {column} drop not null")
    op.execute("alter table meter_values add column packed_values bytea, alter sampled_values drop not null")


def downgrade() -> None:
    """Go back to the revision before. Samples are written out; packed frames are lost."""
    op.execute("delete from frame_runs where packed is not null")
    for column in _OF_FRAMES:
        op.execute(f"alter table frame_runs alter {column} set not null")
    op.execute("alter table frame_runs drop column packed")
    _write_samples_out()
    op.execute("alter table meter_values drop column packed_values, alter sampled_values set not null")


def _write_samples_out() -> None:
    connection = op.get_bind()
    packed = sa.text(
        """
        select tenant_id, charge_point_id, sampled_at, digest, packed_values from meter_values
        where sampled_values is null limit :limit
        """
    )
    written = sa.text(
        """
        update meter_values set sampled_values = cast(:sampled_values as json), packed_values = null
        where tenant_id = :tenant_id and charge_point_id = :charge_point_id and sampled_at = :sampled_at
            and digest = :digest
        """
    )
    while rows := connection.execute(packed, {"limit": _ROWS_AT_ONCE}).mappings().all():
        values = [{**row, "sampled_values": unpack_samples(bytes(row["packed_values"]))} for row in rows]
        connection.execute(written, values)
