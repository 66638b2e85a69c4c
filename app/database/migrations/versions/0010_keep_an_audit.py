"""Keep an audit of what people do to records."""

from collections.abc import Sequence

from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create table audit (
            tenant_id bigint not null constraint fk_audit_tenant_id references tenants (id) on delete cascade,
            id bigint not null generated always as identity,
            at timestamptz not null,
            actor text not null,
            act text not null,
            subject text not null,
            reason text not null,
            details jsonb not null,
            constraint pk_audit primary key (tenant_id, id)
        )
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("audit")
