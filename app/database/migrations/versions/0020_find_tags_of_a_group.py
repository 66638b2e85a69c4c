"""Find whether an id tag is the name of a group."""

from collections.abc import Sequence

from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create index ix_id_tags_group on id_tags (tenant_id, lower(parent_id_tag))
        where parent_id_tag is not null
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_index("ix_id_tags_group", "id_tags")
