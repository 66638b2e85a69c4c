"""Migrates the database to the newest schema, or says in one line why it cannot.

`running` starts it as `python -m app.server.migration`, so that the modules it loads do not stay in the
memory of the supervisor. It reads the settings from the environment, and writes errors to standard output.
"""

import asyncio
import os
import socket
import ssl
import sys

import asyncpg

from app.database.address import read_address
from app.database.connecting import PoolerError
from app.database.failures import translated_errors
from app.database.fitness import UnfitServerError, check_server
from app.database.migrations import NewerSchemaError, TableLockedError, migrate
from app.database.roles import RoleError
from app.errors import StoreUnavailable
from app.health.pepper import OtherPepperError, claim_pepper
from app.logs import setup_logging
from app.settings import load_settings


class MigrationError(Exception):
    """The schema cannot be migrated. The text is one line and names the setting."""


async def bring_up_to_date(database_url: str, pepper: str) -> None:
    """Migrate the schema to the newest revision, and check that the pepper is that of the other servers.

    Raises:
        MigrationError: the database cannot be reached or written, has the schema of a newer version, or its
            credentials were made with another pepper.
    """
    try:
        await _checked(database_url)
        await migrate(database_url)
        async with translated_errors():
            await claim_pepper(database_url, pepper)
    except StoreUnavailable as unavailable:
        place = read_address(database_url).place
        raise MigrationError(f"DATABASE_URL: {place} {_reason(unavailable)}") from None
    except (PoolerError, UnfitServerError, TableLockedError, RoleError) as refused:
        raise MigrationError(f"DATABASE_URL: {refused}") from None
    except NewerSchemaError:
        raise MigrationError(
            "DATABASE_URL: the database has the schema of a newer version; serve it with that one"
        ) from None
    except OtherPepperError:
        raise MigrationError(
            "STATIONMASTER_CREDENTIAL_PEPPER: the passwords and keys in the database were made with another "
            "pepper; give this server the one of the others"
        ) from None


async def _checked(database_url: str) -> None:
    async with translated_errors():
        await check_server(database_url)


def main() -> None:
    """Migrate the database that the environment names. Exit with status 1 if that fails."""
    settings = load_settings()
    setup_logging(settings.log_level, settings.log_format)
    if settings.database_url is None:
        raise RuntimeError("DATABASE_URL is not set")
    try:
        asyncio.run(bring_up_to_date(settings.database_url, settings.credential_pepper))
    except MigrationError as error:
        print(error)  # noqa: T201 - the parent process reads it
        sys.exit(1)


def _reason(unavailable: StoreUnavailable) -> str:
    """Return what the database server said (no such database, no such user), or why it does not answer."""
    cause = unavailable.__cause__
    cause = getattr(cause, "orig", None) or cause
    found = cause if isinstance(cause, asyncpg.PostgresError) else getattr(cause, "__cause__", None)
    if isinstance(found, asyncpg.PostgresError):
        return f"says: {found}"
    if isinstance(cause, ssl.SSLError):
        return f"cannot be trusted: {getattr(cause, 'verify_message', '') or cause.reason}"
    why = _of_system(cause) if isinstance(cause, OSError) else ""
    return f"does not answer: {why}" if why else "does not answer"


def _of_system(error: OSError) -> str:
    """Return the words of the system, such as `Name or service not known`. They hold no password."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)


if __name__ == "__main__":
    main()
