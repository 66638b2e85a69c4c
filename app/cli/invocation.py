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

from app.types import SLUG_PATTERN

if TYPE_CHECKING:
    from app.database.database import Database
    from app.settings import Settings


def load_settings(**overrides: Any) -> "Settings":
    """Return the settings of the environment. Options of the command line have precedence."""
    from app import settings
    from app.logs import get_logger, setup_logging

    loaded = settings.load_settings(**{name: value for name, value in overrides.items() if value is not None})
    setup_logging(loaded.log_level, loaded.log_format)
    for variable, near in settings.unknown_variables(os.environ).items():
        get_logger("settings").warning("unknown_variable", variable=variable, did_you_mean=near)
    return loaded


def load_settings_of_existing_data() -> "Settings":
    """Return the settings, and say if the data directory is new: the caller may be in the wrong directory."""
    from app import settings

    directory = data_directory()
    was_there = directory.exists()
    loaded = load_settings()
    if loaded.database_url is None and not was_there:
        made = settings.usable_directory(directory).resolve()
        typer.echo(
            f"stationmaster: made a new data directory with an empty database: {made} "
            "(STATIONMASTER_DATA_DIRECTORY)",
            err=True,
        )
    return loaded


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
