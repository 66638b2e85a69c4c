"""Keep the passkeys of users."""

from collections.abc import Sequence

from alembic import op

revision: str = "0060"
down_revision: str | None = "0053"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create table passkeys (
            tenant_id bigint not null
                constraint fk_passkeys_tenant_id references tenants (id) on delete cascade,
            id bigint not null generated always as identity,
            user_id bigint not null,
            credential_id bytea not null,
            public_key bytea not null,
            sign_count bigint not null,
            name text not null,
            created_at timestamptz not null,
            last_used_at timestamptz,
            constraint pk_passkeys primary key (tenant_id, id),
            constraint fk_passkeys_tenant_id_user_id foreign key (tenant_id, user_id)
                references users (tenant_id, id) on delete cascade
        )
        """
    )
    op.execute("create unique index uq_passkeys_credential_id on passkeys (credential_id)")
    op.execute("create index ix_passkeys_user on passkeys (tenant_id, user_id, id)")


def downgrade() -> None:
    """Go back to the revision before. The passkeys are lost."""
    op.drop_table("passkeys")
