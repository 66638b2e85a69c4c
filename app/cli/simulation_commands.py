"""The subcommands that simulate charge points: `simulate`, `personas`, `simulate-site`, `bench`."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.cli.help_groups import SIMULATION
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
    count: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Number of simulated charge points.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Slug of the tenant of the charge points.")] = None,
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
    persona: Annotated[
        str | None,
        typer.Option(help="All charge points have the bad habits of this persona; `list` prints them."),
    ] = None,
    fleet: Annotated[
        str | None, typer.Option(help="Charge points of an illustrative fleet; `list` prints the fleets.")
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(help="Roots of the server in PEM, for wss:// and https://; default: the system's."),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(help="Certificate chain of the charge points in PEM; {identity} becomes the identity."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="Private key of --certificate in PEM; {identity} becomes the identity."),
    ] = None,
    secure_url: Annotated[
        str | None,
        typer.Option(help="wss:// URL for charge points that are raised to security profile 2 or 3."),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            help="File to which each transaction message and its answer are appended, as JSON lines."
        ),
    ] = None,
) -> None:
    """Simulate charge points. Each one connects by WebSocket and charges like a real one."""
    if "list" in (persona, fleet):
        _print_known(persona, fleet)
        return
    if count is None or tenant is None:
        raise typer.BadParameter("is needed", param_hint="--count" if count is None else "--tenant")
    if persona is not None and fleet is not None:
        raise typer.BadParameter("does not go with --persona", param_hint="--fleet")
    if (certificate is None) != (key is None):
        raise typer.BadParameter("needs --key, and --key needs it", param_hint="--certificate")
    from app.simulator.fleet import FleetOptions
    from app.simulator.tls import TlsFiles

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
        persona=persona,
        fleet=fleet,
        secure_url=secure_url,
        tls=TlsFiles(ca_file, certificate, key),
    )
    if not run(_simulate(options)):
        raise typer.Exit(1)


def personas(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a table for a documentation page.")
    ] = False,
) -> None:
    """Print the charge points with bad habits that `simulate --persona` knows, each habit with its source."""
    from app.simulator.persona_files import known_personas
    from app.simulator.persona_tables import persona_lines, persona_markdown

    known = known_personas().values()
    typer.echo(persona_markdown(known) if markdown else persona_lines(known))


def _print_known(persona: str | None, fleet: str | None) -> None:
    from app.simulator.persona_files import known_fleets, known_personas
    from app.simulator.persona_tables import fleet_lines, persona_lines

    if persona == "list":
        typer.echo(persona_lines(known_personas().values()))
    if fleet == "list":
        typer.echo(fleet_lines(known_fleets().values()))


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
    url: Annotated[str, typer.Argument(help="ws:// or wss://host:port/ocpp/{tenant} of the deployment.")],
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
    ca_file: Annotated[
        Path | None,
        typer.Option(
            help="Roots of the API in PEM, for wss://; default: the system's. The load does not check them."
        ),
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
        ca_file=ca_file,
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
    application.command(rich_help_panel=SIMULATION)(simulate)
    application.command(rich_help_panel=SIMULATION)(personas)
    application.command("simulate-site", rich_help_panel=SIMULATION)(simulate_site)
    application.command(rich_help_panel=SIMULATION)(bench)
