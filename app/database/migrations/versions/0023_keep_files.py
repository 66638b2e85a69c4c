"""Keep files: their contents, the files themselves, and the URLs of charge points for their transfer."""

from collections.abc import Sequence

from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_UP = (
    """
    create table file_contents (
        tenant_id bigint not null,
        sha256 text not null,
        size_bytes bigint not null,
        unused_after timestamptz not null,
        constraint pk_file_contents primary key (tenant_id, sha256),
        constraint fk_file_contents_tenant_id foreign key (tenant_id) references tenants (id)
            on delete cascade
    )
    """,
    "create index ix_file_contents_unused_after on file_contents (unused_after)",
    """
    create table files (
        tenant_id bigint not null,
        id uuid not null,
        name text not null,
        media_type text not null,
        size_bytes bigint not null,
        sha256 text not null,
        origin text not null,
        charge_point text,
        created_by text not null,
        created_at timestamptz not null,
        expires_at timestamptz,
        constraint pk_files primary key (tenant_id, id),
        constraint fk_files_tenant_id foreign key (tenant_id) references tenants (id) on delete cascade,
        constraint fk_files_tenant_id_sha256 foreign key (tenant_id, sha256)
            references file_contents (tenant_id, sha256) on delete no action,
        constraint ck_files_origin check (origin in ('tenant', 'charge_point'))
    )
    """,
    "create index ix_files_newest on files (tenant_id, created_at desc, id desc)",
    "create index ix_files_content on files (tenant_id, sha256)",
    "create index ix_files_expires_at on files (expires_at) where expires_at is not null",
    """
    create table file_links (
        tenant_id bigint not null,
        id uuid not null,
        token_hash bytea not null,
        direction text not null,
        charge_point_id bigint not null,
        file_id uuid,
        purpose text not null,
        created_at timestamptz not null,
        expires_at timestamptz not null,
        revoked_at timestamptz,
        closed_at timestamptz,
        constraint pk_file_links primary key (tenant_id, id),
        constraint fk_file_links_tenant_id foreign key (tenant_id) references tenants (id) on delete cascade,
        constraint fk_file_links_tenant_id_charge_point_id foreign key (tenant_id, charge_point_id)
            references charge_points (tenant_id, id) on delete cascade,
        constraint fk_file_links_tenant_id_file_id foreign key (tenant_id, file_id)
            references files (tenant_id, id) on delete cascade,
        constraint ck_file_links_direction check (direction in ('download', 'upload'))
    )
    """,
    "create unique index ix_file_links_token_hash on file_links (token_hash)",
    "create index ix_file_links_file on file_links (tenant_id, file_id)",
    "create index ix_file_links_charge_point on file_links (tenant_id, charge_point_id)",
    "create index ix_file_links_expires_at on file_links (expires_at)",
)


def upgrade() -> None:
    """Go to this revision."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Go back to the revision before."""
    for table in ("file_links", "files", "file_contents"):
        op.drop_table(table)
