"""Let servers notice that they have another pepper or another time than the others."""

from collections.abc import Sequence

from alembic import op

revision: str = "0073"
down_revision: str | None = "0068"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create table server_facts (
            name text constraint pk_server_facts primary key,
            value text not null
        )
        """
    )
    op.execute(
        """
        create table server_clocks (
            host text constraint pk_server_clocks primary key,
            difference_s double precision not null,
            noted_at timestamptz not null
        )
        """
    )


def downgrade() -> None:
    """Go back to the revision before. Servers do not notice any longer that they have different peppers."""
    op.drop_table("server_clocks")
    op.drop_table("server_facts")
