"""Know which commands have effects: their ends change other rows in the same transaction.

The capabilities decide it when a command is recorded. Commands that are open now get it by the same rule.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    # The default stays: servers of the version before record commands while the new ones start.
    op.add_column("commands", sa.Column("has_effects", sa.Boolean(), nullable=False, server_default="false"))
    # Commands that have ended are not asked any more.
    op.execute(
        """
        update commands set has_effects = true
        where state in ('queued', 'sent')
            and (action in ('ChangeConfiguration', 'GetConfiguration', 'SetChargingProfile',
                    'ClearChargingProfile')
                or (action = 'RemoteStartTransaction' and payload -> 'chargingProfile' is not null))
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_column("commands", "has_effects")
