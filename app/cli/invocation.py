"""The functions that all subcommands share: read settings, run a coroutine, check names.

Modules of the application are imported inside functions, so that `--help` and a mistyped option are quick.
"""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.exceptions import Abort

from app.types import SLUG_PATTERN, USER_NAME_PATTERN

if TYPE_CHECKING:
    from app.database.database import Database
    from app.settings import Settings


class NoDataError(Exception):
    """A command needs data, and there is none. The text is one line and says what to do."""


def load_settings(**overrides: Any) -> "Settings":
    """Return the settings of the environment. Options of the command line have precedence.

    Raises:
        SettingsError: a variable is wrong, or its name is a misspelt one.
    """
    from app import settings
    from app.logs import get_logger, setup_logging

    unknown = settings.unknown_variables(os.environ)
    for variable, near in unknown.items():
        if near is not None:
            raise settings.SettingsError(f"{variable} is not a setting; did you mean {near}?")
    loaded = settings.load_settings(**{name: value for name, value in overrides.items() if value is not None})
    setup_logging(loaded.log_level, loaded.log_format)
    # They may be of others: Kubernetes makes such names for a service that is called stationmaster.
    for variable in unknown:
        get_logger("settings").warning("unknown_variable", variable=variable)
    return loaded


def load_settings_of_existing_data() -> "Settings":
    """Return the settings for work on data that exists. A new database would only hide a wrong folder.

    Raises:
        NoDataError: there is no database in the data directory, and DATABASE_URL does not name another one.
    """
    # Before the settings are read, because that makes the directory and a pepper in it.
    directory = data_directory()
    if not os.environ.get("DATABASE_URL") and not (directory / "postgres").exists():
        raise NoDataError(
            f"there is no data in {directory.absolute()} (STATIONMASTER_DATA_DIRECTORY): go to the folder in "
            "which the server runs, or make a new database by `stationmaster init`"
        )
    return load_settings()


def data_directory() -> Path:
    """Return the data directory. `simulate` and `bench` need no other setting, and read none."""
    return Path(os.environ.get("STATIONMASTER_DATA_DIRECTORY") or "data")


def require_slug(text: str, option: str) -> str:
    """Check the slug of a tenant, and return it.

    Raises:
        BadParameter: it is not a slug; the error names the option.
    """
    if not re.fullmatch(SLUG_PATTERN, text):
        raise typer.BadParameter("must be 1 to 40 of a-z, 0-9 and '-'", param_hint=option)
    return text


def require_name(text: str, option: str) -> str:
    """Check a name that people read, as the API does, and return it.

    Raises:
        BadParameter: it has control characters, or is too long; the error names the option.
    """
    from app.web.wording import LINE_PATTERN

    if not 0 < len(text) <= 100 or re.fullmatch(LINE_PATTERN, text) is None:
        raise typer.BadParameter("must be 1 to 100 characters without control characters", param_hint=option)
    return text


def require_http_url(text: str, option: str) -> str:
    """Check the URL of a server, and return it.

    Raises:
        BadParameter: it is not a URL of HTTP with a host; the error names the option.
    """
    from app.settings.values import check_http_url

    try:
        check_http_url(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
    return text


def require_user_name(text: str, option: str) -> str:
    """Check the name of a user, and return it.

    Raises:
        BadParameter: it is not a name of a user; the error names the option.
    """
    if not re.fullmatch(USER_NAME_PATTERN, text):
        raise typer.BadParameter("must be 1 to 100 of a-z, 0-9 and . _ @ + -", param_hint=option)
    return text


def require_prefix(text: str) -> str:
    """Check the first part of identities, and return it.

    Raises:
        BadParameter: it has other characters, or is too long.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,30}", text):
        raise typer.BadParameter("must be 1 to 30 of A-Z, a-z, 0-9, '_' and '-'", param_hint="--prefix")
    return text


def with_database(settings: "Settings", work: "Callable[[Database], Awaitable[None]]") -> None:
    """Run `work` on the database with its newest schema, whether or not a server uses it."""
    from app.cli.administration import open_database

    async def open_and_work() -> None:
        async with open_database(settings) as database:
            await work(database)

    run(open_and_work())


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine until it ends.

    Raises:
        Abort: it was interrupted by Ctrl-C.
    """
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise Abort from None
