"""`python -m benchmarks`: measure, write the figures, the report and the plot, print the report."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from app.server.embedded import Engines
from benchmarks import (
    catalog,
    commands,
    core_python,
    core_rust,
    durable,
    growth,
    idle,
    record_bytes,
    rest,
    scale_out,
    schedules,
    storm,
    tls,
    wire,
)
from benchmarks.host import Cores, host_facts
from benchmarks.plan import FULL, QUICK, SHORT, Plan
from benchmarks.plot import draw
from benchmarks.report import QUICK_WARNING, markdown
from benchmarks.testbed import Testbed, running_testbed, scratch_directory

RESULTS = Path(__file__).parent / "results"
_MEASURED_BUILD = Path(sys.prefix) / ".stamps" / "core-release"
Measure = Callable[[Testbed, Cores, Plan, Path], Awaitable[dict[str, Any]]]

_SERVER_PARTS: dict[str, tuple[str, Measure]] = {
    "idle": ("memory of idle connections", idle.measure),
    "wire": ("the byte path, compared with other servers", wire.measure),
    "durable": ("everything stored", durable.measure),
    "bytes": ("bytes on disk and in the write-ahead log", record_bytes.measure),
    "commands": ("commands, on one worker and across workers", commands.measure),
    "scale_out": ("several workers, and two hosts", scale_out.measure),
    "storm": ("the connection storm", storm.measure),
    "tls": ("what TLS costs", tls.measure),
    "rest": ("hot reads of the REST API", rest.measure),
    "catalog": ("catalog documents", catalog.measure),
    "growth": ("the cost as work grows", growth.measure),
}
PARTS = ("micro", "schedules", *_SERVER_PARTS)


def main(arguments: Sequence[str] | None = None, given: Engines | None = None) -> None:
    """Run the chosen parts. given: engines to use instead of private ones."""
    options = parse_arguments(arguments)
    plan: Plan = QUICK if options.quick else FULL if options.full else SHORT
    parts = options.only or list(PARTS)
    output: Path = options.output or _default_output(options.quick, options.only)
    if not options.quick and not _MEASURED_BUILD.exists():
        raise SystemExit(
            "The extension is built for tests, not for figures: run `make measured-build load` first."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    if options.quick:
        _say(QUICK_WARNING)
    cores = Cores()
    with cores.kept_off_server_core(), scratch_directory() as directory:
        results: dict[str, Any] = {
            "quick": options.quick,
            "host": host_facts(directory),
            "cores": cores.facts(),
        }
        if "micro" in parts:
            results["micro"] = _micro(plan)
        if "schedules" in parts:
            results["schedules"] = _schedules(plan)
        if any(part in _SERVER_PARTS for part in parts):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                results |= runner.run(_with_server(parts, plan, cores, directory, given))
    results["host"]["load_average_after"] = os.getloadavg()
    output.write_text(json.dumps(results, indent=2) + "\n")
    output.with_suffix(".svg").write_text(draw(results))
    output.with_suffix(".md").write_text(markdown(results))
    print(markdown(results))
    print(f"written: {output}, and the same name with .md and .svg")


def _micro(plan: Plan) -> dict[str, Any]:
    _say("parse and validate, from Python")
    results = {"python": core_python.measure(plan)}
    if plan.rust:
        _say("parse and validate, in Rust")
        results["rust"] = core_rust.measure()
    return results


def _schedules(plan: Plan) -> dict[str, Any]:
    _say("schedules, from Python")
    results: dict[str, Any] = {"python": schedules.measure(plan)}
    if plan.rust:
        _say("schedules and sites, in Rust")
        results |= core_rust.measure_schedules()
    return results


async def _with_server(
    parts: Sequence[str], plan: Plan, cores: Cores, directory: Path, given: Engines | None
) -> dict[str, Any]:
    """Run the parts that need a server. Each part starts a new server; all use the same engines."""
    charge_points = plan.charge_points()
    results: dict[str, Any] = {}
    async with running_testbed(directory, charge_points, given) as testbed:
        for name, (what, measure) in _SERVER_PARTS.items():
            if name in parts:
                _say(what)
                results[name] = await measure(testbed, cores, plan, directory)
    return results


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments of the command line. None: those of this process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="tiny sizes, to check that the benchmarks run; the figures mean nothing",
    )
    parser.add_argument(
        "--full", action="store_true", help="more rounds and larger sizes; it takes about an hour"
    )
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="run only this part; may be given several times"
    )
    parser.add_argument(
        "--output", type=Path, help="file for the JSON; report and plot are written next to it"
    )
    return parser.parse_args(arguments)


def _default_output(quick: bool, only: list[str] | None) -> Path:
    """Return the file for the results. Complete results belong to the repository; others are local."""
    if quick or only:
        return RESULTS / "local" / f"{'quick' if quick else '-'.join(only or [])}.json"
    return RESULTS / "results.json"


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    # SIGTERM acts like Ctrl-C, so that servers and engines do not outlive their benchmark.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("stopped: nothing is written") from None
