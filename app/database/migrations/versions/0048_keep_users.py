"""Keep the users of tenants, their sessions in a browser, and the links that log them in once."""

from collections.abc import Sequence

from alembic import op

revision: str = "0048"
down_revision: str | None = "0045"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLES = (
    """
    create table users (
        tenant_id bigint not null constraint fk_users_tenant_id references tenants (id) on delete cascade,
        id bigint not null generated always as identity,
        name text not null,
        role text not null constraint ck_users_role check (role in ('viewer', 'operator', 'admin')),
        password_hash text,
        created_at timestamptz not null,
        last_login_at timestamptz,
        constraint pk_users primary key (tenant_id, id),
        constraint uq_users_name unique (tenant_id, name)
    )
    """,
    """
    create table user_sessions (
        tenant_id bigint not null
            constraint fk_user_sessions_tenant_id references tenants (id) on delete cascade,
        token_hash bytea not null,
        user_id bigint not null,
        method text not null,
        created_at timestamptz not null,
        seen_at timestamptz not null,
        expires_at timestamptz not null,
        constraint pk_user_sessions primary key (tenant_id, token_hash),
        constraint fk_user_sessions_tenant_id_user_id foreign key (tenant_id, user_id)
            references users (tenant_id, id) on delete cascade
    )
    """,
    "create unique index uq_user_sessions_token_hash on user_sessions (token_hash)",
    "create index ix_user_sessions_user on user_sessions (tenant_id, user_id, created_at)",
    """
    create table login_links (
        tenant_id bigint not null
            constraint fk_login_links_tenant_id references tenants (id) on delete cascade,
        token_hash bytea not null,
        user_id bigint not null,
        created_at timestamptz not null,
        expires_at timestamptz not null,
        constraint pk_login_links primary key (tenant_id, token_hash),
        constraint fk_login_links_tenant_id_user_id foreign key (tenant_id, user_id)
            references users (tenant_id, id) on delete cascade
    )
    """,
    "create unique index uq_login_links_token_hash on login_links (token_hash)",
    "create index ix_login_links_user on login_links (tenant_id, user_id)",
)


def upgrade() -> None:
    """Go to this revision."""
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    """Go back to the revision before. The users are lost."""
    for table in ("login_links", "user_sessions", "users"):
        op.drop_table(table)
