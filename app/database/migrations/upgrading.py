"""Runs Alembic. `migrate` loads this module if a database does not have the newest schema."""

import asyncio
import time
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database.database import driver_arguments
from app.database.failures import Failure, failure_of
from app.database.migrations import TableLockedError
from app.logs import get_logger

_LOG = get_logger(__name__)

LOCK_TIMEOUT_S: Final = 3.0
"""The longest wait for a lock of a table. Statements of running servers wait behind it for as long."""
_PAUSE_S: Final = 2.0


async def upgrade(url: str, patience_s: float) -> None:
    """Run the migrations that a database does not have. No other process may migrate meanwhile.

    patience_s: for how long it tries again while a table is locked.

    Raises:
        TableLockedError: others hold the lock of a table for too long.
    """
    deadline = time.monotonic() + patience_s
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
