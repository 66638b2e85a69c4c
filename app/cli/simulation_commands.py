"""The subcommands that simulate charge points: `simulate`, `simulate-site`, `bench`."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.cli.invocation import data_directory, require_prefix, require_slug, run

# The file is opened before the day is simulated, so that a wrong path fails at once.
_DRAWING = typer.Option(
    help="Draw the day into this SVG file.", metavar="<path>", lazy=False, encoding="utf-8"
)
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h)?")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def _within(least: float, most: float) -> Callable[[float | None], float | None]:
    """Return the check of an option. The bounds of typer itself do not find NaN."""

    def check(number: float | None) -> float | None:
        if number is not None and not math.isfinite(number):
            raise typer.BadParameter("is not a finite number")
        if number is not None and not least <= number <= most:
            raise typer.BadParameter(f"must be from {least:.12g} to {most:.12g}")
        return number

    return check


_SPEED = typer.Option(callback=_within(0.1, 10_000), help="Simulated seconds per real second, 0.1 to 10000.")
_SECONDS = typer.Option(callback=_within(0.1, 86_400), help="Length of a round in seconds.")


def simulate(
    count: Annotated[int, typer.Option(min=1, max=100_000, help="Number of simulated charge points.")],
    tenant: Annotated[str, typer.Option(help="Slug of the tenant of the charge points.")],
    url: Annotated[str, typer.Option(help="ws:// or wss:// URL of the server.")] = "ws://127.0.0.1:8080/ocpp",
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="STATIONMASTER_API_KEY",
            show_envvar=False,
            help="Key with the scopes read and write, to register the fleet. [STATIONMASTER_API_KEY]",
        ),
    ] = None,
    api_url: Annotated[
        str | None, typer.Option(help="URL of the REST API; default: the host and port of --url.")
    ] = None,
    seed: Annotated[str, typer.Option(help="The same seed gives the same fleet and the same drivers.")] = "1",
    speed: Annotated[float, _SPEED] = 1.0,
    duration: Annotated[
        str | None,
        typer.Option(help="How long to run in real time, for example 90s, 10m or 2h; default: until Ctrl-C."),
    ] = None,
    pace: Annotated[
        Literal["brisk", "normal"],
        typer.Option(help="brisk: short charging sessions, so that there is more to see."),
    ] = "normal",
    steady: Annotated[
        bool, typer.Option("--steady", help="Charge points never go offline by themselves.")
    ] = False,
    prefix: Annotated[str, typer.Option(help="Prefix of the identities of the charge points.")] = "SIM",
    credentials: Annotated[
        Path | None,
        typer.Option(help="File for the passwords of the charge points; default: in the data directory."),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            help="File to which each transaction message and its answer are appended, as JSON lines."
        ),
    ] = None,
) -> None:
    """Simulate charge points. Each one connects by WebSocket and charges like a real one."""
    from app.simulator.fleet import FleetOptions

    options = FleetOptions(
        url=url,
        tenant=require_slug(tenant, "--tenant"),
        count=count,
        credentials=credentials or data_directory() / "simulator" / f"{tenant}.json",
        seed=seed,
        speed=speed,
        duration_s=None if duration is None else parse_duration(duration),
        pace=pace,
        steady=steady,
        prefix=require_prefix(prefix),
        api_key=api_key,
        api_url=api_url,
        ledger=ledger,
    )
    if not run(_simulate(options)):
        raise typer.Exit(1)


def simulate_site(
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same day.")] = 1,
    hours: Annotated[int, typer.Option(min=1, max=24, help="Hours to simulate, counted from midnight.")] = 24,
    svg: Annotated[typer.FileTextWrite | None, _DRAWING] = None,
) -> None:
    """Simulate a day of a site with 40 charge points and power distribution. It needs no server."""
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


def bench(
    url: Annotated[str, typer.Argument(help="ws://host:port/ocpp/{tenant} of the deployment.")],
    scenario: Annotated[
        Literal["heartbeat", "status_notification", "meter_values", "transactions", "mixed_day", "storm"],
        typer.Option(help="The messages that charge points send; storm: they only connect and boot."),
    ] = "meter_values",
    sockets: Annotated[int, typer.Option(min=1, max=20_000, help="Number of charge points.")] = 64,
    rate: Annotated[
        float | None,
        typer.Option(
            callback=_within(0.001, 10_000_000),
            help="CALLs per second of all charge points together; default: each one waits for its answer.",
        ),
    ] = None,
    seconds: Annotated[float, _SECONDS] = 10.0,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Number of rounds.")] = 3,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="STATIONMASTER_API_KEY",
            show_envvar=False,
            help="Key with the scopes read and write, to register charge points. [STATIONMASTER_API_KEY]",
        ),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Prefix of the identities of the charge points.")] = "BENCH",
    credentials: Annotated[
        Path | None,
        typer.Option(help="File for the passwords of the charge points; default: in the data directory."),
    ] = None,
) -> None:
    """Measure a deployment with the load generator of the benchmarks.

    It writes real records, so give it a tenant of its own. Without --rate, the server's limit on CALLs per
    second (STATIONMASTER_RATE_PER_S) bounds what is measured.
    """
    from app.cli.bench import BenchOptions, BenchTarget, print_results, run_bench

    target = BenchTarget.of(url)
    options = BenchOptions(
        url=url,
        scenario=scenario,
        sockets=sockets,
        rate_per_s=rate,
        seconds=seconds,
        rounds=rounds,
        credentials=credentials or data_directory() / "bench" / f"{target.tenant}.json",
        api_key=api_key,
        prefix=require_prefix(prefix),
    )
    found, clean = run_bench(options)
    print_results(found)
    if not clean:
        raise typer.Exit(1)


def parse_duration(text: str) -> float:
    """Read `90`, `90s`, `10m`, `2h` or `500ms`, and return the seconds.

    Raises:
        BadParameter: it is not a duration, or it is zero.
    """
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match["number"]) * _UNITS_S[match["unit"]] if match else 0.0
    if seconds <= 0.0:
        raise typer.BadParameter(
            f"{text!r} is not a duration: use for example 90s, 10m or 2h", param_hint="--duration"
        )
    return seconds


def register_simulation_commands(application: typer.Typer) -> None:
    """Add these subcommands to the application."""
    application.command()(simulate)
    application.command("simulate-site")(simulate_site)
    application.command()(bench)
