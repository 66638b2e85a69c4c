"""Let all workers follow what ends accesses, and let tenants be suspended.

Triggers write the changes, so that no way of changing a key or a credential is forgotten. They fire for the
named columns only: a login writes others.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0067"
down_revision: str | None = "0063"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_FUNCTIONS = {
    "note_charge_point_access": """
        begin
            insert into access_changes (kind, tenant_id, charge_point_id, identity, epoch)
            values ('charge_point', old.tenant_id, old.id, old.identity, old.epoch);
            return null;
        end
    """,
    "note_key_access": """
        begin
            insert into access_changes (kind, tenant_id) values ('key', old.tenant_id);
            return null;
        end
    """,
    "note_tenant_access": """
        begin
            insert into access_changes (kind, tenant_id, is_out)
            values ('tenant', old.id, tg_op = 'DELETE' or new.suspension_reason is not null);
            return null;
        end
    """,
    "note_origins": """
        begin
            insert into access_changes (kind, tenant_id) values ('key', old.id);
            return null;
        end
    """,
}
_TRIGGERS = {
    # The pending key of a change becomes the present one: the connection that has made the change stays.
    "credential_ended": """
        after update of credential_hash, no_credential on charge_points for each row
        when ((old.credential_hash is distinct from new.credential_hash
                and new.credential_hash is distinct from old.pending_credential_hash)
            or (old.no_credential and not new.no_credential))
        execute function note_charge_point_access()
    """,
    "charge_point_deleted": """
        after delete on charge_points for each row execute function note_charge_point_access()
    """,
    "key_revoked": """
        after update of revoked_at, expires_at, scopes or delete on api_keys for each row
        execute function note_key_access()
    """,
    "session_ended": """
        after delete on user_sessions for each row execute function note_key_access()
    """,
    "tenant_kept_out": """
        after update of suspension_reason or delete on tenants for each row
        execute function note_tenant_access()
    """,
    "origins_changed": """
        after update of allowed_origins on tenants for each row execute function note_origins()
    """,
}


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        alter table tenants add column suspended_at timestamptz, add column suspension_reason text,
            add constraint ck_tenants_suspension check ((suspended_at is null) = (suspension_reason is null))
        """
    )
    op.execute(
        """
        create table access_changes (
            id bigint generated always as identity constraint pk_access_changes primary key,
            xid bigint not null default (pg_current_xact_id()::text)::bigint,
            at timestamptz not null default clock_timestamp(),
            kind text not null
                constraint ck_access_changes_kind check (kind in ('key', 'charge_point', 'tenant')),
            tenant_id bigint,
            charge_point_id bigint,
            identity text,
            epoch bigint,
            is_out boolean
        )
        """
    )
    op.execute("create index ix_access_changes_xid on access_changes (xid)")
    op.execute("create index ix_access_changes_at on access_changes (at)")
    for name, body in _FUNCTIONS.items():
        op.execute(f"create function {name}() returns trigger language plpgsql as $${body}$$")
    for name, definition in _TRIGGERS.items():
        op.execute(f"create trigger {name} {definition}")


def downgrade() -> None:
    """Go back to the revision before. Tenants that are suspended are let in again."""
    for name, definition in _TRIGGERS.items():
        table = next(
            found
            for found in ("charge_points", "api_keys", "user_sessions", "tenants")
            if f"on {found}" in definition
        )
        op.execute(f"drop trigger {name} on {table}")
    for name in _FUNCTIONS:
        op.execute(f"drop function {name}()")
    op.drop_table("access_changes")
    op.execute("alter table tenants drop column suspended_at, drop column suspension_reason")
