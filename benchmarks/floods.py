"""Measures what charge points notice of strangers and of a neighbour, with the ordinary limits of the server.

    python -m benchmarks.floods [NAME ...]

256 charge points send MeterValues at a fixed rate, so that a slow answer delays no later frame. Rounds
without and with an attack (`benchmarks.attacks`) follow each other in turns, each attack alone. On two cores
attacker, load generator and engines share one core, and the attacker has the lowest priority there.
"""

import asyncio
import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final

from app.settings import Settings
from benchmarks.accounting import memory
from benchmarks.attacks import OF_CHARGE_POINTS, OF_CLIENTS, OF_STRANGERS
from benchmarks.commands import api_token
from benchmarks.host import Cores
from benchmarks.load import FleetPlan, Run, running_fleet
from benchmarks.rounds import Measured, measure_round
from benchmarks.testbed import Server, Testbed, provision, running_server, running_testbed, scratch_directory

_NEIGHBOUR: Final = "neighbour"
_NEIGHBOURS: Final = 200
_OTHERS: Final = 256
_FIRST: Final = 1000
"""The charge points before it are those whose passwords are guessed."""
_RATE_PER_S: Final = 500.0
_ROUNDS: Final = 5
_WARM_UP_S: Final = 2.0
_ROUND_S: Final = 4.0
_SETTLED_S: Final = 1.0
_ORDINARY: Final = (
    "rate_per_s",
    "rate_burst",
    "requests_of_key_per_minute",
    "requests_of_address_per_minute",
    "messages_of_tenant_per_minute",
    "message_bytes_of_tenant_per_minute",
)


@dataclass(frozen=True, slots=True)
class Account:
    """Of the neighbour. password: of its charge points; token: its API key."""

    password: str
    token: str


@contextlib.contextmanager
def attacking(name: str, server: Server, account: Account) -> Iterator[None]:
    """Attack the server inside the block."""
    key = account.token if name in OF_CLIENTS else account.password
    command = [sys.executable, "-m", "benchmarks.attacks", name, str(server.port)]
    with subprocess.Popen([*command, _NEIGHBOUR, key], stderr=subprocess.DEVNULL) as attacker:
        try:
            yield
            if attacker.poll() is not None:
                raise RuntimeError(f"the attack {name} has ended")
        finally:
            attacker.kill()


async def measure(name: str, subject: Measured, account: Account) -> None:
    """Print the figures of one attack."""
    run = Run("meter_values", _OTHERS, _WARM_UP_S, _ROUND_S, _RATE_PER_S, first=_FIRST)
    p99_ms: dict[bool, list[float]] = {False: [], True: []}
    busy: dict[bool, list[float]] = {False: [], True: []}
    await measure_round(subject, run)  # What is loaded at the first frame stays.
    at_first = highest = memory(subject.server.processes).resident_bytes
    for _ in range(_ROUNDS):
        for is_attacked in (False, True):
            with attacking(name, subject.server, account) if is_attacked else contextlib.nullcontext():
                figures, _totals = await measure_round(subject, run)
                highest = max(highest, memory(subject.server.processes).resident_bytes)
            p99_ms[is_attacked].append(figures["p99_ms"])
            busy[is_attacked].append(figures["server_busy"])
            await asyncio.sleep(_SETTLED_S)
    quiet, attacked = (statistics.median(p99_ms[kind]) for kind in (False, True))
    quiet_busy, attacked_busy = (statistics.median(busy[kind]) for kind in (False, True))
    print(
        f"{name}: p99 quiet {quiet:.1f} ms, attacked {attacked:.1f} ms, ratio {attacked / quiet:.2f}; "
        f"cores of the server {quiet_busy:.2f}, {attacked_busy:.2f}; "
        f"its memory +{(highest - at_first) / 2**20:.0f} MB",
        flush=True,
    )


def _with_ordinary_limits(testbed: Testbed) -> Testbed:
    changes = {name: Settings.model_fields[name].default for name in _ORDINARY}
    return replace(testbed, settings=testbed.settings.model_copy(update=changes))


async def main() -> None:
    """Measure each attack, and print it."""
    names = sys.argv[1:] or [*OF_STRANGERS, *OF_CHARGE_POINTS, *OF_CLIENTS]
    cores = Cores()
    async with AsyncExitStack() as stack:
        stack.enter_context(cores.kept_off_server_core())
        directory = stack.enter_context(scratch_directory())
        testbed = _with_ordinary_limits(
            await stack.enter_async_context(running_testbed(directory, _FIRST + _OTHERS))
        )
        password = await provision(testbed.settings, _NEIGHBOUR, _NEIGHBOURS)
        account = Account(password, await api_token(testbed, _NEIGHBOUR))
        server = await stack.enter_async_context(running_server(testbed, cores, directory, is_crowd=False))
        plan = FleetPlan(server.url, testbed.key, sources=8)
        fleet = await stack.enter_async_context(running_fleet(plan))
        await fleet.connect(_OTHERS, first=_FIRST)
        for name in names:
            await measure(name, Measured(server, fleet, testbed), account)


if __name__ == "__main__":
    asyncio.run(main())
