"""The history of the schema. `migrate` updates a database to the newest revision, and may run again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database.connecting import connect
from app.database.database import driver_arguments
from app.database.failures import DATABASE_ERRORS, Failure, failure_of
from app.database.partitions import make_partitions_of
from app.database.rights import grant_rights
from app.errors import StoreUnavailable
from app.logs import get_logger

_LOG = get_logger(__name__)

# Any number that is the same in each process. Only one process migrates at a time.
_LOCK: Final = 7_216_042_713
LOCK_TIMEOUT_S: Final = 3.0
"""The longest wait for a lock of a table. Statements of running servers wait behind it for as long."""
_PATIENCE_S: Final = 600.0
_PAUSE_S: Final = 2.0


class TableLockedError(Exception):
    """A table stayed locked for as long as a migration may take. The text is one line."""


async def migrate(url: str, *, patience_s: float = _PATIENCE_S) -> None:
    """Update the schema to the newest revision, grant the rights, and make the partitions that come next.

    Several processes may call this at the same time. patience_s: for how long it tries again while a table
    is locked.

    Raises:
        StoreUnavailable: the database cannot be reached.
        TableLockedError: others hold the lock of a table for too long.
        RoleError: see `grant_rights`.
    """
    try:
        async with _alone(url):
            await _upgrade_patiently(url, time.monotonic() + patience_s)
            await grant_rights(url)
        await make_partitions_of(url, datetime.now(UTC))
    except DATABASE_ERRORS as error:
        if failure_of(error) is Failure.UNAVAILABLE:
            raise StoreUnavailable() from error
        raise


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[None]:
    """Wait until no other process migrates.

    The lock is that of a transaction on a connection of its own: a pooler may give each transaction another
    session, and each migration has a transaction of its own.
    """
    connection = await connect(url, "migration lock")
    try:
        async with connection.transaction():
            await connection.execute("set local idle_in_transaction_session_timeout = 0")
            await connection.execute(f"select pg_advisory_xact_lock({_LOCK})")
            yield
    finally:
        connection.terminate()


async def _upgrade_patiently(url: str, deadline: float) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://", connect_args=driver_arguments(url, "migration"), poolclass=NullPool
    )
    try:
        while True:
            try:
                async with engine.connect() as connection:
                    await connection.run_sync(_upgrade)
                return
            except DBAPIError as error:
                if failure_of(error) is not Failure.CONFLICT:
                    raise
                if time.monotonic() > deadline:
                    raise TableLockedError(
                        "a table stays locked: end long transactions, such as that of pg_dump, and try again"
                    ) from error
                # Those before it are done, and stay.
                _LOG.warning("migration_waits_for_a_lock", pause_s=_PAUSE_S)
            await asyncio.sleep(_PAUSE_S)
    finally:
        await engine.dispose()


def known_revisions() -> set[str]:
    """Return all revisions of the schema that this version knows."""
    directory = ScriptDirectory(str(Path(__file__).parent))
    return {script.revision for script in directory.walk_revisions()}


def configuration(connection: Connection) -> Config:
    """Return the configuration of Alembic for an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    event.listen(connection, "begin", _limit_waits)
    command.upgrade(configuration(connection), "head")
    connection.commit()


def _limit_waits(connection: Connection) -> None:
    connection.exec_driver_sql(f"set local lock_timeout = {int(LOCK_TIMEOUT_S * 1000)}")
