"""The history of the schema. `migrate` updates a database to the newest revision, and may run again."""

from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database.database import engine_url, plain_url
from app.database.failures import Failure, failure_of
from app.database.partitions import make_partitions_of
from app.errors import StoreUnavailable

# Any number that is the same in each process. Only one process migrates at a time.
_LOCK = 7_216_042_713


async def migrate(url: str) -> None:
    """Update the schema to the newest revision, and make the partitions that come next.

    Several processes may call this at the same time.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    engine = create_async_engine(engine_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade)
        await make_partitions_of(plain_url(url), datetime.now(UTC))
    except (DBAPIError, OSError) as error:
        if failure_of(error) is Failure.UNAVAILABLE:
            raise StoreUnavailable() from error
        raise
    finally:
        await engine.dispose()


def configuration(connection: Connection) -> Config:
    """Return the configuration of Alembic for an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
    connection.commit()
    try:
        command.upgrade(configuration(connection), "head")
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": _LOCK})
        connection.commit()
