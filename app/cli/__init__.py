"""The command `stationmaster`. Each subcommand imports what it needs when it runs, so that help is quick.

Errors are one line on standard error: exit 2 for what the caller said (settings, arguments), 1 for the rest.
"""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.exceptions import Abort, Exit, TyperException

from app.types import SLUG_PATTERN

if TYPE_CHECKING:
    from app.database.database import Database
    from app.settings import Settings

# Opened at once, so that a day is not simulated for nothing.
_DRAWING = typer.Option(help="File to draw the day into.", metavar="<path>", lazy=False, encoding="utf-8")
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h)?")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}

_EXPECTED_ERRORS = (
    ("app.settings", "SettingsError", 2),
    ("app.cli.administration", "ArgumentError", 2),
    ("app.simulator.errors", "SimulatorError", 2),
    ("app.cli.bench", "BenchError", 2),
    ("app.errors", "AppError", 1),
    ("app.server.embedded", "EmbeddedError", 1),
    ("app.server.migration", "MigrationError", 1),
    ("app.server.listener", "ServeError", 1),
)

application = typer.Typer(
    help="Stationmaster: a multi-tenant OCPP 1.6J central system.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
tenant_application = typer.Typer(help="The operators on this server.", no_args_is_help=True)
key_application = typer.Typer(help="API keys.", no_args_is_help=True)
application.add_typer(tenant_application, name="tenant")
application.add_typer(key_application, name="key")

HostOption = Annotated[str | None, typer.Option(help="Address to listen on. [STATIONMASTER_HOST]")]
PortOption = Annotated[int | None, typer.Option(help="Port; 0 takes a free one. [STATIONMASTER_PORT]")]
WorkersOption = Annotated[int | None, typer.Option(help="Processes. [STATIONMASTER_WORKERS]")]


@application.command()
def serve(workers: WorkersOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Run the server; without DATABASE_URL or REDIS_URL it starts private engines."""
    # Before the imports: whoever mistyped a setting should not wait for them.
    settings = _settings(workers=workers, host=host, port=port)
    from app.server.running import RunningServer, run_server
    from app.server.signals import stop_on_signals

    async def announce(server: RunningServer, stop: asyncio.Event) -> None:
        typer.echo(f"Stationmaster listens on {server.url} (workers: {server.settings.workers})")
        await stop.wait()

    async def run() -> None:
        async with stop_on_signals() as stop:
            await run_server(settings, stop, announce)

    _run(run())


@application.command()
def demo(
    count: Annotated[int, typer.Option(min=0, max=1000, help="Simulated charge points.")] = 5,
    host: HostOption = None,
    port: PortOption = None,
    workers: WorkersOption = None,
) -> None:
    """Run a server with a demo tenant, an API key and a small simulated fleet."""
    # Who looks at a demo reads the table on the screen; warnings still come through.
    os.environ.setdefault("STATIONMASTER_LOG_LEVEL", "warning")
    os.environ.setdefault("STATIONMASTER_LOG_FORMAT", "console")
    settings = _settings(workers=workers, host=host, port=port)
    from rich.console import Console

    from app.cli.demo import run_demo

    _run(run_demo(settings, count, Console()))


@application.command()
def simulate(
    count: Annotated[int, typer.Option(min=1, max=100_000, help="Virtual charge points.")],
    tenant: Annotated[str, typer.Option(help="Slug of the tenant they belong to.")],
    url: Annotated[str, typer.Option(help="ws:// or wss:// URL of the server.")] = "ws://127.0.0.1:8080/ocpp",
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="STATIONMASTER_API_KEY",
            show_envvar=False,
            help="Key with the scopes read and write, to register the fleet. [STATIONMASTER_API_KEY]",
        ),
    ] = None,
    api_url: Annotated[str | None, typer.Option(help="Where the REST API is, if not beside --url.")] = None,
    seed: Annotated[str, typer.Option(help="The same seed gives the same fleet and the same drivers.")] = "1",
    speed: Annotated[float, typer.Option(help="Virtual seconds for each real one, 0.1 to 10000.")] = 1.0,
    duration: Annotated[
        str | None, typer.Option(help="Real time to run, such as 90s, 10m or 2h; default: until Ctrl-C.")
    ] = None,
    pace: Annotated[
        Literal["brisk", "normal"], typer.Option(help="brisk: short stays, for people who watch.")
    ] = "normal",
    steady: Annotated[bool, typer.Option("--steady", help="No charge point goes offline of itself.")] = False,
    prefix: Annotated[str, typer.Option(help="What identities begin with.")] = "SIM",
    credentials: Annotated[
        Path | None, typer.Option(help="File for passwords; default: in the data directory.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Append each transaction message and its answer, as JSON lines.")
    ] = None,
) -> None:
    """Drive virtual charge points through real sessions over real WebSockets."""
    from app.simulator.fleet import FleetOptions

    if not 0.1 <= speed <= 10_000:
        raise typer.BadParameter("must lie between 0.1 and 10000", param_hint="--speed")
    directory = Path(os.environ.get("STATIONMASTER_DATA_DIRECTORY") or "data")
    options = FleetOptions(
        url=url,
        tenant=_slug(tenant, "--tenant"),
        count=count,
        credentials=credentials or directory / "simulator" / f"{tenant}.json",
        seed=seed,
        speed=speed,
        duration_s=None if duration is None else parse_duration(duration),
        pace=pace,
        steady=steady,
        prefix=_prefix(prefix),
        api_key=api_key,
        api_url=api_url,
        ledger=ledger,
    )
    if not _run(_simulate(options)):
        raise typer.Exit(1)


@application.command("simulate-site")
def simulate_site(
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same day.")] = 1,
    hours: Annotated[int, typer.Option(min=1, max=24, help="Hours from midnight on.")] = 24,
    svg: Annotated[typer.FileTextWrite | None, _DRAWING] = None,
) -> None:
    """Let the distributor steer a simulated site of 40 charge points for a day; no server is needed."""
    from app.simulator.site import day, drawing, report

    simulated = day.run_day(seed, hours)
    typer.echo(report.summary(simulated))
    if svg is not None:
        svg.write(drawing.draw_day(simulated))
    if report.figures(simulated).over_limit:
        raise typer.Exit(1)


async def _simulate(options: Any) -> bool:
    from rich.console import Console

    from app.clock import SystemClock
    from app.server.signals import stop_on_signals
    from app.simulator.fleet import Fleet
    from app.simulator.progress import display_for, print_summary

    console = Console()
    async with stop_on_signals() as stop:
        fleet = Fleet(options, SystemClock())
        await fleet.run(stop, display_for(console))
    print_summary(console, fleet)
    return fleet.succeeded


@application.command()
def bench(
    url: Annotated[str, typer.Argument(help="ws://host:port/ocpp/{tenant} of the deployment.")],
    scenario: Annotated[
        Literal["heartbeat", "status_notification", "meter_values", "transactions", "mixed_day", "storm"],
        typer.Option(help="What the charge points send; storm: only connect and boot."),
    ] = "meter_values",
    sockets: Annotated[int, typer.Option(min=1, max=20_000, help="Charge points.")] = 64,
    rate: Annotated[
        float | None,
        typer.Option(help="CALLs per second of all together; default: each waits for its answer."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=86_400, help="Length of a round.")] = 10.0,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Rounds.")] = 3,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="STATIONMASTER_API_KEY",
            show_envvar=False,
            help="Key with the scopes read and write, to register charge points. [STATIONMASTER_API_KEY]",
        ),
    ] = None,
    prefix: Annotated[str, typer.Option(help="What identities begin with.")] = "BENCH",
    credentials: Annotated[
        Path | None, typer.Option(help="File for passwords; default: in the data directory.")
    ] = None,
) -> None:
    """Measure a deployment with the load generator of the benchmarks.

    It writes real records: give it a tenant of its own. Where each charge point waits for its answer, the
    server's limit on CALLs per second (STATIONMASTER_RATE_PER_S) bounds the rate.
    """
    from app.cli.bench import BenchOptions, print_results, run_bench

    directory = Path(os.environ.get("STATIONMASTER_DATA_DIRECTORY") or "data")
    tenant = url.rstrip("/").rpartition("/")[2]
    options = BenchOptions(
        url=url,
        scenario=scenario,
        sockets=sockets,
        rate_per_s=rate,
        seconds=seconds,
        rounds=rounds,
        credentials=credentials or directory / "bench" / f"{_slug(tenant, 'URL')}.json",
        api_key=api_key,
        prefix=_prefix(prefix),
    )
    found, clean = run_bench(options)
    print_results(found)
    if not clean:
        raise typer.Exit(1)


@application.command("migrate-db")
def migrate_db() -> None:
    """Bring the database to the newest schema. `serve` does it too."""

    async def done(database: "Database") -> None:
        typer.echo("The schema is the newest one.")

    _with_database(_settings(), done)


@tenant_application.command("create")
def tenant_create(
    slug: Annotated[str, typer.Argument(help="Name in URLs: a-z, 0-9 and '-', up to 40.")],
    name: Annotated[str | None, typer.Option(help="Name for people.")] = None,
) -> None:
    """Create a tenant."""
    from app.cli.administration import create_tenant

    async def create(database: "Database") -> None:
        record = await create_tenant(database, _slug(slug, "SLUG"), name)
        typer.echo(
            f"Tenant {record.slug} is made; `stationmaster key create --tenant {record.slug}` is next."
        )

    _with_database(_settings(), create)


@tenant_application.command("list")
def tenant_list() -> None:
    """List tenants: slug and name."""
    from app.cli.administration import list_tenants

    async def show(database: "Database") -> None:
        for record in await list_tenants(database):
            typer.echo(f"{record.slug}\t{record.name}")

    _with_database(_settings(), show)


@key_application.command("create")
def key_create(
    tenant: Annotated[str | None, typer.Option(help="Slug of the tenant that it opens.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="A key of the platform, to manage tenants.")] = False,
    scopes: Annotated[
        str | None, typer.Option(help="Of read, command, write, admin; default: all but admin.")
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days until it ends; default: never.")
    ] = None,
) -> None:
    """Create an API key and print it on standard output, this once."""
    if admin == (tenant is not None):
        raise typer.BadParameter("give one of --tenant and --admin", param_hint="--tenant")
    from app.cli.administration import TENANT_SCOPES, create_key, parse_scopes

    chosen = parse_scopes(scopes) if scopes is not None else (("admin",) if admin else TENANT_SCOPES)
    settings = _settings()
    lifetime = None if expires_days is None else timedelta(days=expires_days)

    async def create(database: "Database") -> None:
        token = await create_key(
            database, settings.credential_pepper, tenant=tenant, name=name, scopes=chosen, lifetime=lifetime
        )
        typer.echo("Keep this key; it is not shown again.", err=True)
        typer.echo(token)

    _with_database(settings, create)


def parse_duration(text: str) -> float:
    """Read `90`, `90s`, `10m`, `2h` or `500ms`; real seconds.

    Raises:
        BadParameter: it is none of these, or zero.
    """
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match["number"]) * _UNITS_S[match["unit"]] if match else 0.0
    if seconds <= 0.0:
        raise typer.BadParameter(f"{text!r} is no time such as 90s, 10m or 2h", param_hint="--duration")
    return seconds


def main() -> None:
    """Run the command line; never show a stack trace for what the caller can mend."""
    try:
        code = application(standalone_mode=False)
    except Abort:
        sys.exit(130)
    except Exit as exit_:
        sys.exit(exit_.exit_code)
    except TyperException as error:
        sys.exit(_complain(_format(error), 2))
    except Exception as error:
        code_or_none = _exit_code(error)
        if code_or_none is None:
            raise
        sys.exit(_complain(str(error), code_or_none))
    sys.exit(code or 0)


def _exit_code(error: Exception) -> int | None:
    """2 for what the caller said, 1 for what the surroundings refuse, None for a fault of ours."""
    for module, name, code in _EXPECTED_ERRORS:
        # An error can only be of a class whose module is loaded; to import the others takes seconds.
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return code
    return None


def _format(error: TyperException) -> str:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    return " ".join(message.split())


def _complain(text: str, code: int) -> int:
    typer.echo(f"stationmaster: {text}", err=True)
    return code


def _settings(**overrides: Any) -> "Settings":
    """The settings of the environment, options of the command line winning."""
    from app.logs import setup_logging
    from app.settings import load_settings

    settings = load_settings(**{name: value for name, value in overrides.items() if value is not None})
    setup_logging(settings.log_level, settings.log_format)
    return settings


def _slug(text: str, option: str) -> str:
    if not re.fullmatch(SLUG_PATTERN, text):
        raise typer.BadParameter("must be 1 to 40 of a-z, 0-9 and '-'", param_hint=option)
    return text


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,30}", text):
        raise typer.BadParameter("must be 1 to 30 of A-Z, a-z, 0-9, '_' and '-'", param_hint="--prefix")
    return text


def _with_database(settings: "Settings", work: Any) -> None:
    from app.cli.administration import open_database
    from app.clock import SystemClock

    async def run() -> None:
        async with open_database(settings, SystemClock()) as database:
            await work(database)

    _run(run())


def _run(work: Awaitable[Any] | Coroutine[Any, Any, Any]) -> Any:
    async def awaited() -> Any:
        return await work

    try:
        return asyncio.run(awaited())
    except KeyboardInterrupt:
        raise Abort from None


if __name__ == "__main__":
    main()
