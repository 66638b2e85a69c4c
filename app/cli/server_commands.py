"""The subcommands that run a server: `serve`, `demo`, `migrate-db`."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.invocation import load_settings, load_settings_of_existing_data, run, with_database

if TYPE_CHECKING:
    from app.database.database import Database

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
        typer.echo(f"Stationmaster listens on {server.url} (workers: {server.settings.workers})")
        await stop.wait()

    async def serve_until_stopped() -> None:
        async with stop_on_signals() as stop:
            await run_server(settings, stop, announce)

    run(serve_until_stopped())


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


def migrate_db() -> None:
    """Migrate the database to the newest schema. `serve` does this too."""

    async def done(database: "Database") -> None:
        typer.echo("The database has the newest schema.")

    with_database(load_settings_of_existing_data(), done)


def register_server_commands(application: typer.Typer) -> None:
    """Add these subcommands to the application."""
    application.command()(serve)
    application.command()(demo)
    application.command("migrate-db")(migrate_db)
