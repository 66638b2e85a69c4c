"""Note which partitions were exported, and what has changed in them since."""

from collections.abc import Sequence

from alembic import op

revision: str = "0085"
down_revision: str | None = "0080"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create table exported_files (
            tenant_id bigint constraint fk_exported_files_tenant_id
                references tenants (id) on delete cascade,
            partition text,
            destination text not null,
            path text not null,
            is_current boolean not null,
            rows bigint,
            size_bytes bigint,
            sha256 text,
            next_sha256 text,
            exported_at timestamptz,
            constraint pk_exported_files primary key (tenant_id, partition)
        )
        """
    )
    op.execute("create index ix_exported_files_partition on exported_files (partition)")
    op.execute(
        """
        create table exported_partitions (
            partition text constraint pk_exported_partitions primary key,
            exported_at timestamptz not null,
            dropped_at timestamptz
        )
        """
    )
    op.execute(
        """
        create table exported_changes (
            tenant_id bigint,
            id bigint generated always as identity,
            partition text not null,
            constraint pk_exported_changes primary key (tenant_id, id)
        )
        """
    )
    op.execute("create index ix_exported_changes_partition on exported_changes (partition, tenant_id)")
    for table in ("exported_files", "exported_changes"):
        op.execute(f"alter table {table} enable row level security")
        op.execute(
            f"create policy tenant on {table} "
            "using (tenant_id = nullif(current_setting('stationmaster.tenant', true), '')::bigint)"
        )
    # Without a unique key: two batches of the ledger must never wait for each other here. One row for each
    # tenant and transaction is enough.
    op.execute(
        """
        create function note_exported_change() returns trigger language plpgsql as $$
        declare
            changed bigint := case when tg_op = 'DELETE' then old.tenant_id else new.tenant_id end;
        begin
            if not exists (
                select from exported_changes where partition = tg_table_name and tenant_id = changed
            ) then
                insert into exported_changes (tenant_id, partition) values (changed, tg_table_name);
            end if;
            return null;
        end $$
        """
    )


def downgrade() -> None:
    """Go back to the revision before. Partitions that were exported count as not exported."""
    op.execute("drop function note_exported_change() cascade")
    for table in ("exported_changes", "exported_partitions", "exported_files"):
        op.drop_table(table)
