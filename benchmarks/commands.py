"""Measures commands from REST to the socket of a charge point and back, one at a time.

`same_worker`: the request arrives at the server that has the socket. `across_workers`: another server on the
same database and Redis has the socket, and the command goes over the bus. `fastapi_commits`: a bare program
that commits as often, see `peers.fastapi_commits`.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli.administration import TENANT_SCOPES, create_key, open_database
from benchmarks.accounting import cpu_use, family
from benchmarks.host import Cores
from benchmarks.http_load import HttpClient, HttpLoadError
from benchmarks.load import FleetPlan, running_fleet
from benchmarks.plan import Plan
from benchmarks.rounds import Figures, summarize_rounds
from benchmarks.testbed import (
    HOST,
    TENANT,
    Testbed,
    free_port,
    identity,
    pinned_process,
    running_server,
    wait_until_serving,
)

_ACTION = "ClearCache"
"""An action whose answer is a status, and which has no effect that is reported later."""
COMMAND = f"/v1/charge-points/{{identity}}/commands/{_ACTION}?wait=10"
"""The path of a command that is answered at its end."""
_BARE_LOG = "fastapi_commits.log"


@dataclass(frozen=True, slots=True)
class _Subject:
    """A server that is measured. processes: those whose CPU time counts; path: contains `{identity}`."""

    port: int
    processes: list[int]
    path: str


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the latencies, and the CPU time per command in server processes, PostgreSQL and Redis."""
    token = await api_token(testbed)
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(running_server(testbed, cores, directory))
        other = await stack.enter_async_context(running_server(testbed, cores, directory))
        fleet = await stack.enter_async_context(running_fleet(FleetPlan(owner.url, testbed.key)))
        await fleet.connect(plan.command_charge_points)
        bare_port, bare = stack.enter_context(_running_bare(testbed, cores, directory))
        await wait_until_serving(bare, bare_port, directory / _BARE_LOG)
        ours, theirs = [*owner.processes, *other.processes], family(bare.pid)
        subjects = {
            "same_worker": _Subject(owner.port, ours, COMMAND),
            "across_workers": _Subject(other.port, ours, COMMAND),
            "fastapi_commits": _Subject(bare_port, theirs, "/commands"),
        }
        rounds: dict[str, list[Figures]] = {name: [] for name in subjects}

        async def round_of(subject: _Subject, commands: int) -> Figures:
            # Each round has a new connection. The server would close one that is idle during the other
            # rounds.
            async with HttpClient.connected(HOST, subject.port, token) as client:
                return await _round(testbed, subject, client, commands, plan)

        # The first commands load code and fill pools.
        for subject in subjects.values():
            await round_of(subject, plan.command_charge_points)
        for _ in range(plan.command_rounds):
            for name, subject in subjects.items():
                rounds[name].append(await round_of(subject, plan.commands))
    return {
        "action": _ACTION,
        "commands": plan.commands,
        **{name: summarize_rounds(found) for name, found in rounds.items()},
    }


async def api_token(testbed: Testbed, tenant: str = TENANT) -> str:
    """Return an API key of a tenant."""
    async with open_database(testbed.settings) as database:
        return await create_key(
            database,
            testbed.settings.credential_pepper,
            tenant=tenant,
            name="benchmark",
            scopes=TENANT_SCOPES,
        )


async def run_command(client: HttpClient, path: str) -> None:
    """Run one command to its end.

    Raises:
        HttpLoadError: the charge point has not accepted it.
    """
    answer = await client.post(path, b"{}")
    if answer["state"] != "accepted":
        raise HttpLoadError(f"a command ended as {answer}")


@contextmanager
def _running_bare(
    testbed: Testbed, cores: Cores, directory: Path
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    engines = {"DATABASE_URL": testbed.engines.database_url, "REDIS_URL": testbed.engines.redis_url}
    command = [sys.executable, "-m", "benchmarks.peers.fastapi_commits", str(port)]
    with pinned_process(command, engines, cores, directory / _BARE_LOG) as process:
        yield port, process


async def _round(
    testbed: Testbed, subject: _Subject, client: HttpClient, commands: int, plan: Plan
) -> Figures:
    before = [cpu_use(of) for of in (subject.processes, testbed.postgres_processes(), [testbed.redis])]
    took_ms = []
    for number in range(commands):
        path = subject.path.format(identity=identity(number % plan.command_charge_points))
        started = time.perf_counter()
        await run_command(client, path)
        took_ms.append((time.perf_counter() - started) * 1000.0)
    after = [cpu_use(of) for of in (subject.processes, testbed.postgres_processes(), [testbed.redis])]
    used_us = [late.since(early).exact_s / commands * 1e6 for early, late in zip(before, after, strict=True)]
    took_ms.sort()
    return {
        "p50_ms": took_ms[commands // 2],
        "p99_ms": took_ms[min(commands - 1, commands * 99 // 100)],
        "max_ms": took_ms[-1],
        "server_cpu_us": used_us[0],
        "postgres_cpu_us": used_us[1],
        "redis_cpu_us": used_us[2],
    }
