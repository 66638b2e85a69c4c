"""Migrates the database to the newest schema, or says in one line why it cannot.

`running` starts it as `python -m app.server.migration`, so that the modules it loads do not stay in the
memory of the supervisor. It reads the settings from the environment, and writes errors to standard output.
"""

import asyncio
import sys
from urllib.parse import urlsplit

import asyncpg
from alembic.util import CommandError

from app.database.migrations import migrate
from app.errors import StoreUnavailable
from app.logs import setup_logging
from app.settings import load_settings


class MigrationError(Exception):
    """The schema cannot be migrated. The text is one line and names the setting."""


async def bring_up_to_date(database_url: str) -> None:
    """Migrate the schema to the newest revision.

    Raises:
        MigrationError: the database cannot be reached, or has the schema of a newer version.
    """
    try:
        await migrate(database_url)
    except StoreUnavailable as unavailable:
        place = _place(database_url)
        raise MigrationError(f"DATABASE_URL: {place} {_reason(unavailable)}") from None
    except CommandError:
        raise MigrationError(
            "DATABASE_URL: the database has the schema of a newer version; serve it with that one"
        ) from None


def main() -> None:
    """Migrate the database that the environment names. Exit with status 1 if that fails."""
    settings = load_settings()
    setup_logging(settings.log_level, settings.log_format)
    if settings.database_url is None:
        raise RuntimeError("DATABASE_URL is not set")
    try:
        asyncio.run(bring_up_to_date(settings.database_url))
    except MigrationError as error:
        print(error)  # noqa: T201 - the parent process reads it
        sys.exit(1)


def _reason(unavailable: StoreUnavailable) -> str:
    """Return what the database server said (no such database, no such user), or that it does not answer."""
    cause = unavailable.__cause__
    cause = getattr(cause, "orig", None) or cause
    found = cause if isinstance(cause, asyncpg.PostgresError) else getattr(cause, "__cause__", None)
    return f"says: {found}" if isinstance(found, asyncpg.PostgresError) else "does not answer"


def _place(url: str) -> str:
    """Return host and port of a URL, without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'the local socket'}:{parts.port or 5432}"


if __name__ == "__main__":
    main()
