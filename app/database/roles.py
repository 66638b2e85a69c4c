"""The roles that statements run under, so that a forgotten condition finds no rows of another tenant.

The program logs in as the owner of the tables, which no policy restricts. What works for one tenant takes
the role `stationmaster_app` and names its tenant; the policies of all tables compare their rows with that.
The ledger and the frame log take the role `stationmaster_ledger`. A role that does not exist is not taken.
"""

from dataclasses import dataclass
from typing import Final

import asyncpg

from app.database.connecting import StationConnection
from app.logs import get_logger
from app.types import TenantId

APP: Final = "stationmaster_app"
LEDGER: Final = "stationmaster_ledger"
CREATE_ROLES: Final = f"create role {APP} nologin; create role {LEDGER} nologin bypassrls"
"""For an administrator of the database server."""

_FIND: Final = """
    select rolname, rolsuper or rolbypassrls as is_exempt from pg_roles where rolname in ($1, $2)
"""

_HAS_RIGHT: Final = "select has_table_privilege($1, 'transactions', $2)"
_LOG = get_logger(__name__)


class RoleError(Exception):
    """A role exists, and cannot be used. The text is one line."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Which of the two roles the program takes."""

    app: bool = False
    ledger: bool = False

    @property
    def settings_of_ledger(self) -> dict[str, str]:
        """The settings of the connections that write the ledger and the frame log."""
        return {"role": LEDGER} if self.ledger else {}

    def scope_of(self, tenant_id: TenantId | int) -> str:
        """Return the statements that restrict the rest of a transaction to the rows of a tenant."""
        if not self.app:
            return ""
        return f"set local role {APP}; set local stationmaster.tenant = '{int(tenant_id)}';"


NO_ROLES: Final = Roles()


async def find_roles(connection: StationConnection) -> Roles:
    """Return the roles that exist. connection: outside of a transaction.

    Raises:
        RoleError: one of them would not do what it is for, or the login may not take it.
    """
    found = {row["rolname"]: row["is_exempt"] for row in await connection.fetch(_FIND, APP, LEDGER)}
    if found.get(APP, False):
        raise RoleError(f"the role {APP} is exempt from policies: alter role {APP} nosuperuser nobypassrls")
    if not found.get(LEDGER, True):
        raise RoleError(f"the role {LEDGER} is not exempt from policies: alter role {LEDGER} bypassrls")
    for name in found:
        try:
            async with connection.transaction():
                await connection.execute(f"set local role {name}")
        except asyncpg.InsufficientPrivilegeError:
            login = await connection.fetchval("select session_user")
            raise RoleError(f"{login} may not take the role {name}: grant {name} to {login}") from None
    return Roles(APP in found, LEDGER in found)


async def usable_roles(connection: StationConnection) -> Roles:
    """Return the roles that have their rights. connection: outside of a transaction.

    A role that was made after the last migration has none yet, and the next start of a server gives them.
    Until then a worker goes on as before.
    """
    try:
        found = await find_roles(connection)
    except RoleError as error:
        _LOG.warning("roles_not_used", detail=str(error))
        return NO_ROLES
    app, ledger = [
        exists and bool(await connection.fetchval(_HAS_RIGHT, role, right))
        for exists, role, right in ((found.app, APP, "select"), (found.ledger, LEDGER, "insert"))
    ]
    if (app, ledger) != (found.app, found.ledger):
        _LOG.warning("roles_not_used", detail="they have no rights yet: start a server, which grants them")
    return Roles(app, ledger)
