"""The subcommands that run a server, or prepare its database: `serve`, `demo`, `init`, `migrate-db`."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.help_groups import DATA, SERVER
from app.cli.invocation import (
    data_directory,
    load_settings,
    load_settings_of_existing_data,
    run,
    with_database,
)

if TYPE_CHECKING:
    from app.database.database import Database
    from app.settings import Settings

HostOption = Annotated[str | None, typer.Option(help="Address to listen on. [STATIONMASTER_HOST]")]
PortOption = Annotated[int | None, typer.Option(help="Port; 0: any free port. [STATIONMASTER_PORT]")]
WorkersOption = Annotated[
    int | None, typer.Option(help="Number of worker processes. [STATIONMASTER_WORKERS]")
]


def serve(workers: WorkersOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Run the server. Without DATABASE_URL or REDIS_URL it starts private engines."""
    # Before the imports, so that a mistyped setting is reported at once.
    settings = load_settings(workers=workers, host=host, port=port)
    from app.server.running import RunningServer, run_server
    from app.server.signals import stop_on_signals

    async def announce(server: RunningServer, stop: asyncio.Event) -> None:
        tls = "" if server.tls_url is None else f" and {server.tls_url}"
        typer.echo(f"Stationmaster listens on {server.url}{tls} (workers: {server.settings.workers})")
        await tell_next_step(server.settings, server.url)
        await stop.wait()

    async def serve_until_stopped() -> None:
        async with stop_on_signals() as stop:
            await run_server(settings, stop, announce)

    run(serve_until_stopped())


async def tell_next_step(settings: "Settings", url: str) -> None:
    """Print how to begin with a server that has just started, unless someone has begun."""
    from app.cli.administration import first_login_link
    from app.errors import NotFound, StoreUnavailable

    try:
        found = await first_login_link(settings, url)
    except NotFound:
        typer.echo(
            "There is no tenant yet. Create one in a second terminal, in this folder: "
            "stationmaster tenant create acme"
        )
    except StoreUnavailable:
        # The server goes on: it serves again when the database does.
        typer.echo("The database does not answer now. For a link to the console: stationmaster login-link")
    else:
        if found is not None:
            typer.echo(f"Log in to the console as admin of {found[0]}, once within 15 minutes: {found[1]}")


def demo(
    count: Annotated[int, typer.Option(min=0, max=1000, help="Number of simulated charge points.")] = 5,
    host: HostOption = None,
    port: PortOption = None,
    workers: WorkersOption = None,
) -> None:
    """Run a server with a demo tenant, an API key and a small simulated fleet."""
    # The demo shows a table on the screen; warnings are still printed.
    os.environ.setdefault("STATIONMASTER_LOG_LEVEL", "warning")
    os.environ.setdefault("STATIONMASTER_LOG_FORMAT", "console")
    settings = load_settings(workers=workers, host=host, port=port)
    from rich.console import Console

    from app.cli.demo import run_demo

    run(run_demo(settings, count, Console()))


def init() -> None:
    """Make a new database in the data directory. `serve` and `demo` do this too."""

    async def done(database: "Database") -> None:
        typer.echo(f"There is a database in {data_directory().resolve()}.")

    with_database(load_settings(), done)


def migrate_db() -> None:
    """Migrate the database to the newest schema. `serve` does this too."""

    async def done(database: "Database") -> None:
        typer.echo("The database has the newest schema.")

    with_database(load_settings_of_existing_data(), done)


def register_server_commands(application: typer.Typer) -> None:
    """Add these subcommands to the application."""
    application.command(rich_help_panel=SERVER)(serve)
    application.command(rich_help_panel=SERVER)(demo)
    application.command(rich_help_panel=DATA)(init)
    application.command("migrate-db", rich_help_panel=DATA)(migrate_db)
