"""The rights of the roles. The owner of the tables grants them after each migration.

docs/operations.md lists them, and a test compares.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Final

import asyncpg

from app.database.connecting import StationConnection, connect
from app.database.roles import APP, LEDGER, RoleError, Roles, find_roles
from app.logs import get_logger

_LOG = get_logger(__name__)

ALL: Final = frozenset({"select", "insert", "update", "delete"})
NOT_ALL_OF_APP: Final[Mapping[str, Set[str]]] = {
    "access_changes": {"insert"},
    "api_keys": set(),
    "audit": {"select", "insert"},
    "diagnostics_request_ids": {"usage"},
    "event_floors": {"select"},
    "event_ids": {"usage"},
    "event_numbering": {"select"},
    "events": {"select", "insert"},
    "exported_changes": set(),
    "exported_files": set(),
    "frame_runs": {"select"},
    "late_events": {"select"},
    "login_attempts": {"select"},
    "meter_values": {"select"},
    "missing_event_ids": {"select"},
    "orphan_records": {"select"},
    "transaction_ids": set(),
    "transaction_positions": {"select"},
    "transactions": {"select"},
    "tenants": {"select", "update (next_charging_profile_id)", "update (minimum_security_profile)"},
}
"""Of tables and sequences. The role of tenants has all rights on the other tables that have a policy."""
OF_LEDGER: Final[Mapping[str, Set[str]]] = {
    "authorization_policies": {"select"},
    "charge_point_authorization_policies": {"select"},
    "audit": {"insert"},
    "charge_points": {"select", "update (updated_at)"},
    "commands": {"select", "update (effect)", "update (effect_due_at)"},
    "connectors": {"select"},
    "event_ids": {"usage"},
    "events": {"insert"},
    # By the trigger of exported months.
    "exported_changes": {"select", "insert"},
    "frame_runs": {"insert"},
    "id_tags": {"select", "update (updated_at)"},
    "meter_values": {"select", "insert", "update"},
    "orphan_records": {"select", "insert", "update"},
    "transaction_ids": {"select", "insert", "update"},
    "transactions": {"select", "insert", "update"},
}

_SCHEMA: Final = "select quote_ident(current_schema())"
_WITH_POLICY: Final = """
    select relname from pg_class
    where relnamespace = current_schema()::regnamespace
        and exists (select from pg_policy where polrelid = pg_class.oid)
"""
_IS_SUBJECT: Final = """
    select coalesce(bool_or(row_security_active(oid)), false) from pg_class
    where relnamespace = current_schema()::regnamespace and relrowsecurity
"""
_HELD: Final = """
    select relname, lower(privilege_type) as held from pg_class, aclexplode(relacl)
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'S')
        and grantee = $1::text::regrole
    union all
    select relname, lower(privilege_type) || ' (' || attname || ')'
    from pg_class join pg_attribute on attrelid = pg_class.oid, aclexplode(attacl)
    where relnamespace = current_schema()::regnamespace and grantee = $1::text::regrole
"""

Rights = dict[str, set[str]]
"""By the name of the table or sequence."""


async def grant_rights(url: str) -> None:
    """Give the roles that exist exactly their rights. url: DATABASE_URL; the schema must be migrated.

    Raises:
        RoleError: a role cannot be used, or the login does not own the tables and would see no rows.
    """
    connection = await connect(url, "rights")
    try:
        roles = await find_roles(connection)
        if await connection.fetchval(_IS_SUBJECT):
            login = await connection.fetchval("select session_user")
            raise RoleError(f"{login} does not own the tables, so their policies hide all rows from it")
        if roles.app:
            await _grant(connection, APP, await rights_of_app(connection))
        else:
            # What the database cannot check is still checked by each statement.
            _LOG.warning("tenants_without_second_net", missing_role=APP, see="docs/operations.md")
        if roles.ledger:
            await _grant(connection, LEDGER, OF_LEDGER)
        await _require_tables(connection, roles)
    except asyncpg.InsufficientPrivilegeError as error:
        raise RoleError(f"the rights of the roles cannot be granted: {error}") from error
    finally:
        connection.terminate()


async def _require_tables(connection: StationConnection, roles: Roles) -> None:
    """Check that the roles find the tables. `"$user"` in a search path is another schema for each role."""
    for role in (*([APP] if roles.app else ()), *([LEDGER] if roles.ledger else ())):
        async with connection.transaction():
            await connection.execute(f"set local role {role}")
            found = await connection.fetchval("select to_regclass('transactions')")
        if found is None:
            schema = await connection.fetchval(_SCHEMA)
            raise RoleError(
                f"the role {role} does not find the tables, because the search path depends on the role: "
                f"write options=-c%20search_path%3D{schema} in DATABASE_URL"
            )


async def rights_of_app(connection: StationConnection) -> Rights:
    """Return what the role of tenants may do."""
    of_tenants = {row["relname"]: ALL for row in await connection.fetch(_WITH_POLICY)}
    return {name: set(rights) for name, rights in {**of_tenants, **NOT_ALL_OF_APP}.items()}


async def held_rights(connection: StationConnection, role: str) -> Rights:
    """Return what a role may do now."""
    found: Rights = {}
    for row in await connection.fetch(_HELD, role):
        found.setdefault(row["relname"], set()).add(row["held"])
    return found


async def _grant(connection: StationConnection, role: str, wanted: Mapping[str, Set[str]]) -> None:
    schema = await connection.fetchval(_SCHEMA)
    held = await held_rights(connection, role)
    async with connection.transaction():
        await connection.execute(f"grant usage on schema {schema} to {role}")
        for table in wanted.keys() | held.keys():
            missing = wanted.get(table, set()) - held.get(table, set())
            surplus = held.get(table, set()) - wanted.get(table, set())
            if missing:
                await connection.execute(f"grant {_listed(missing)} on {table} to {role}")
            if surplus:
                await connection.execute(f"revoke {_listed(surplus)} on {table} from {role}")


def _listed(rights: Iterable[str]) -> str:
    return ", ".join(sorted(rights))
