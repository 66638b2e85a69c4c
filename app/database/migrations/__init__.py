"""The history of the schema. `migrate` updates a database to the newest revision, and may run again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from app.database.connecting import StationConnection, connect
from app.database.failures import DATABASE_ERRORS, Failure, failure_of
from app.database.partitions import make_partitions_of
from app.database.revisions import program_revisions
from app.database.rights import grant_rights
from app.errors import StoreUnavailable

# Any number that is the same in each process. Only one process migrates at a time.
_LOCK: Final = 7_216_042_713
_PATIENCE_S: Final = 600.0


class TableLockedError(Exception):
    """A table stayed locked for as long as a migration may take. The text is one line."""


class NewerSchemaError(Exception):
    """A database has migrations that this version does not know."""


async def migrate(url: str, *, patience_s: float = _PATIENCE_S) -> None:
    """Update the schema to the newest revision, grant the rights, and make the partitions that come next.

    Several processes may call this at the same time. patience_s: for how long it tries again while a table
    is locked.

    Raises:
        StoreUnavailable: the database cannot be reached.
        NewerSchemaError: the database has the schema of a newer version.
        TableLockedError: others hold the lock of a table for too long.
        RoleError: see `grant_rights`.
    """
    try:
        async with _alone(url) as connection:
            if await _needs_upgrade(connection):
                # Here, because most starts of a server find the newest schema, and this takes long to load.
                from app.database.migrations.upgrading import upgrade

                await upgrade(url, patience_s)
            await grant_rights(url)
        await make_partitions_of(url, datetime.now(UTC))
    except DATABASE_ERRORS as error:
        if failure_of(error) is Failure.UNAVAILABLE:
            raise StoreUnavailable() from error
        raise


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[StationConnection]:
    """Wait until no other process migrates.

    The lock is that of a transaction on a connection of its own: a pooler may give each transaction another
    session, and each migration has a transaction of its own.
    """
    connection = await connect(url, "migration lock")
    try:
        async with connection.transaction():
            await connection.execute("set local idle_in_transaction_session_timeout = 0")
            await connection.execute(f"select pg_advisory_xact_lock({_LOCK})")
            yield connection
    finally:
        connection.terminate()


async def _needs_upgrade(connection: StationConnection) -> bool:
    """Tell whether migrations are missing in a database.

    Raises:
        NewerSchemaError: it has some that this version does not know.
    """
    if await connection.fetchval("select to_regclass('alembic_version')") is None:
        return True
    found: str | None = await connection.fetchval("select version_num from alembic_version")
    program = program_revisions()
    if found is not None and found not in program.known:
        raise NewerSchemaError
    return found != program.newest
