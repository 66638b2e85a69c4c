"""Drives the load generator (`benchmarks/load`, Rust), whose charge points cost some microseconds per frame.

One process is one fleet. Its orders and events are JSON lines, see `benchmarks/load/src/session.rs`.
"""

import asyncio
import itertools
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.host import REPOSITORY, cargo_profile

Scenario = Literal["heartbeat", "status_notification", "meter_values", "transactions", "mixed_day"]

_AT_ONCE = 32
_START_MS = 1_709_280_000_000
"""2024-03-01: the time of the first records of the first fleet. Later fleets begin later."""
_APART_MS = 7_200_000
_fleets = itertools.count()


class LoadError(Exception):
    """The server did not answer correctly, or the load generator cannot run. The text says what happened."""


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """The charge points of one process. sources: local addresses to connect from, with 28 000 ports each."""

    url: str
    password: str
    identity: str = "BENCH-{}"
    id_tag: str = "BENCH-{}"
    expect: Literal["result", "echo"] = "result"
    first: int = 0
    sources: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement. rate_per_s None: closed loop; otherwise CALLs per second of all sockets together."""

    scenario: Scenario
    sockets: int
    warm_up_s: float
    seconds: float
    rate_per_s: float | None = None
    first: int = 0


def build() -> Path:
    """Build the load generator if it is not up to date, and return its path.

    Raises:
        LoadError: it does not build; the text is the end of the output of cargo.
    """
    profile = cargo_profile()
    command = [
        "cargo",
        "build",
        f"--profile={profile}",
        "--quiet",
        "--locked",
        "--package",
        "stationmaster-load",
    ]
    try:
        result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    except FileNotFoundError:
        raise LoadError("the load generator needs cargo, which is missing: see https://rustup.rs/") from None
    if result.returncode != 0:
        raise LoadError(f"{' '.join(command)}: {result.stderr[-2000:]}")
    return REPOSITORY / "target" / profile / "stationmaster-load"


class Fleet:
    """Charge points in a process of their own. `running_fleet` makes it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def connect(self, count: int, *, first: int = 0, at_once: int = _AT_ONCE) -> dict[str, Any]:
        """Connect and boot charge points, and return the figures of that.

        Raises:
            LoadError: one of them was refused.
        """
        self._order({"do": "connect", "first": first, "count": count, "at_once": at_once})
        event = await self._event("connected")
        _assert_clean(event)
        figures: dict[str, Any] = event["figures"]
        return figures

    async def run(
        self, run: Run, begun: Callable[[], None], ended: Callable[[], None]
    ) -> tuple[dict[str, Any], dict[str, int]]:
        """Measure, and return the figures, and the counts of all answers of the run.

        Args:
            run: what to measure.
            begun: is called when the measurement begins, after the warm-up.
            ended: is called when it ends.

        Raises:
            LoadError: an answer is missing, wrong or an error.
        """
        self._order(
            {
                "do": "run",
                "scenario": run.scenario,
                "first": run.first,
                "count": run.sockets,
                "rate_per_s": run.rate_per_s,
                "warm_up_s": run.warm_up_s,
                "seconds": run.seconds,
            }
        )
        await self._event("measuring")
        begun()
        measured = await self._event("measured")
        ended()
        done = await self._event("done")
        _assert_clean(done)
        return measured["figures"], done["totals"]

    async def hang_up(self) -> None:
        """Drop all connections."""
        self._order({"do": "hang_up"})
        await self._event("hung_up")

    def _order(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def _event(self, expected: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise LoadError(f"the load generator has ended: {await self._process.wait()}")
        event: dict[str, Any] = json.loads(line)
        if event["event"] != expected:
            raise LoadError(f"the load generator sent {event}")
        return event


@asynccontextmanager
async def running_fleet(plan: FleetPlan) -> AsyncIterator[Fleet]:
    """Start a fleet without connections, and end it with all its connections.

    Raises:
        LoadError: the load generator cannot be built.
    """
    arguments = {
        "identity": plan.identity,
        "id-tag": plan.id_tag,
        "password": plan.password,
        "expect": plan.expect,
        "first": plan.first,
        "sources": plan.sources,
        "start-ms": _START_MS + next(_fleets) * _APART_MS,
    }
    options = [f"--{name}={value}" for name, value in arguments.items()]
    process = await asyncio.create_subprocess_exec(
        await asyncio.to_thread(build),
        *options,
        "--session",
        plan.url,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Fleet(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _assert_clean(event: dict[str, Any]) -> None:
    failures = event["failures"]
    if any(count for name, count in failures.items() if name != "examples"):
        raise LoadError(f"the server failed: {failures}")
