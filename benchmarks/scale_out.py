"""Measures several workers on one host, and two hosts with one PostgreSQL and one Redis.

All servers run at the same time and are measured in turns, on the one core of the server. So the figures say
what a frame costs with more workers, and how many frames one second of CPU time answers; frames per second on
more cores are not measured. The hosts are servers on two loopback addresses.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.accounting import connections_of
from benchmarks.commands import COMMAND, api_token, run_command
from benchmarks.host import Cores
from benchmarks.http_load import HttpClient
from benchmarks.load import Fleet, FleetPlan, Run, running_fleet
from benchmarks.plan import Plan
from benchmarks.rounds import Figures, Measured, measure_round, summarize_rounds
from benchmarks.testbed import Server, Testbed, identity, running_server

WORKERS: Final = (1, 2, 4)
HOSTS: Final = ("127.0.0.1", "127.0.0.2")
SAME_WORKER: Final = "same_worker"
WAYS: Final = (SAME_WORKER, "other_worker", "other_host")
_ACCEPTED_WITHIN_S: Final = 10.0
_LOOK_S: Final = 0.01
_MOST_TRIES: Final = 100


@dataclass(frozen=True, slots=True)
class _Deployment:
    """One or several servers with their charge points, which begin with the number `first`."""

    measured: list[Measured]
    first: int


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the figures of each number of workers and of two hosts, and the latency of commands by way."""
    async with AsyncExitStack() as stack:

        async def deployed(number: int, servers: Sequence[Server]) -> _Deployment:
            first = number * plan.scale_sockets
            measured = []
            for place, server in enumerate(servers):
                fleet = await stack.enter_async_context(running_fleet(FleetPlan(server.url, testbed.key)))
                count = plan.scale_sockets // len(servers)
                await fleet.connect(count, first=first + place * count)
                measured.append(Measured(server, fleet, testbed))
            return _Deployment(measured, first)

        async def served(workers: int, host: str) -> Server:
            server = running_server(testbed, cores, directory, workers=workers, host=host)
            return await stack.enter_async_context(server)

        deployments = {
            _workers(count): await deployed(number, [await served(count, HOSTS[0])])
            for number, count in enumerate(WORKERS)
        }
        hosts = [await served(1, host) for host in HOSTS]
        deployments["two_hosts"] = await deployed(len(WORKERS), hosts)
        load: dict[str, list[Figures]] = {name: [] for name in deployments}
        for _ in range(plan.scale_rounds):
            for name, deployment in deployments.items():
                load[name].append(await _load_round(deployment, plan))
        (two_workers,) = deployments[_workers(2)].measured
        first = len(deployments) * plan.scale_sockets
        commands = await _commands(testbed, plan, two_workers.server, hosts[1], first)
    return {
        "sockets": plan.scale_sockets,
        "load": {name: summarize_rounds(found) for name, found in load.items()},
        "commands": {"commands": plan.commands, **commands},
    }


def _workers(count: int) -> str:
    return f"{count}_worker" if count == 1 else f"{count}_workers"


async def _load_round(deployment: _Deployment, plan: Plan) -> Figures:
    count = plan.scale_sockets // len(deployment.measured)
    runs = [
        measure_round(
            subject,
            Run(
                "meter_values",
                count,
                plan.durable_warm_up_s,
                plan.durable_round_s,
                first=deployment.first + place * count,
            ),
        )
        for place, subject in enumerate(deployment.measured)
    ]
    return together([figures for figures, _ in await asyncio.gather(*runs)])


def together(hosts: Sequence[Figures]) -> Figures:
    """Return the figures of all hosts together. Each of them has counted the whole work of the engines."""
    frames_per_s = sum(host["frames_per_s"] for host in hosts)

    def per_frame(name: str) -> float:
        return sum(host[name] * host["frames_per_s"] for host in hosts) / frames_per_s

    found = {name: per_frame(name) for name in ("server_cpu_us", "server_system_us", "load_cpu_us")}
    found |= {name: per_frame(name) / len(hosts) for name in ("postgres_cpu_us", "redis_cpu_us")}
    found |= {name: max(host[name] for host in hosts) for name in ("p50_ms", "p99_ms")}
    used_us = found["server_cpu_us"] + found["postgres_cpu_us"] + found["redis_cpu_us"]
    return {
        "frames_per_s": frames_per_s,
        **found,
        "server_busy": sum(host["server_busy"] for host in hosts),
        "frames_per_cpu_s": 1e6 / used_us,
    }


async def _commands(testbed: Testbed, plan: Plan, owner: Server, other: Server, first: int) -> dict[str, Any]:
    """Send one command after the other, each way in turns, to charge points of a server with two workers.

    first: the number of the first charge point that is connected for this.
    """
    token = await api_token(testbed)
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(running_fleet(FleetPlan(owner.url, testbed.key)))
        points = await _one_of_each_worker(owner, fleet, first)
        here, there = points
        clients = await _client_of_each_worker(stack, owner, token)
        elsewhere = await stack.enter_async_context(HttpClient.connected(other.host, other.port, token))
        ways = {
            SAME_WORKER: (clients[here], points[here]),
            "other_worker": (clients[here], points[there]),
            "other_host": (elsewhere, points[here]),
        }
        rounds: list[dict[str, list[float]]] = []
        # The first round loads code and fills pools.
        for _ in range(plan.command_rounds + 1):
            rounds.append(await _command_round(ways, plan.commands))
    del rounds[0]
    return added_latencies(rounds)


async def _command_round(ways: Mapping[str, tuple[HttpClient, int]], commands: int) -> dict[str, list[float]]:
    took_ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(commands):
        for name, (client, point) in ways.items():
            started = time.perf_counter()
            await run_command(client, COMMAND.format(identity=identity(point)))
            took_ms[name].append((time.perf_counter() - started) * 1000.0)
    return took_ms


def added_latencies(rounds: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    """Return the latencies by way, and what each adds to that of the same worker in the same round."""
    by_way: dict[str, list[Figures]] = {name: [] for name in WAYS}
    for took_ms in rounds:
        same = _percentiles(took_ms[SAME_WORKER])
        for name, found in by_way.items():
            figures = _percentiles(took_ms[name])
            if name != SAME_WORKER:
                figures |= {f"added_{figure}": figures[figure] - same[figure] for figure in same}
            found.append(figures)
    return {name: summarize_rounds(found) for name, found in by_way.items()}


def _percentiles(took_ms: Sequence[float]) -> Figures:
    ordered = sorted(took_ms)
    return {
        "p50_ms": ordered[len(ordered) // 2],
        "p99_ms": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
    }


async def _one_of_each_worker(server: Server, fleet: Fleet, first: int) -> dict[int, int]:
    """Connect charge points until each of two workers has one. Return their numbers by process."""
    found: dict[int, int] = {}
    for number in range(first, first + _MOST_TRIES):
        before = connections_of(server.processes, server.port)
        await fleet.connect(1, first=number)
        found.setdefault(_grown(before, connections_of(server.processes, server.port)), number)
        if len(found) == 2:
            return found
    raise RuntimeError("one worker accepts all connections")


async def _client_of_each_worker(stack: AsyncExitStack, server: Server, token: str) -> dict[int, HttpClient]:
    """Open connections until each of two workers has one. Return them by process."""
    found: dict[int, HttpClient] = {}
    for _ in range(_MOST_TRIES):
        before = connections_of(server.processes, server.port)
        client = await stack.enter_async_context(HttpClient.connected(server.host, server.port, token))
        after = before
        # Another process sends no event when it accepts, so this polls.
        async with asyncio.timeout(_ACCEPTED_WITHIN_S):
            while after == before:
                await asyncio.sleep(_LOOK_S)
                after = connections_of(server.processes, server.port)
        found.setdefault(_grown(before, after), client)
        if len(found) == 2:
            return found
    raise RuntimeError("one worker accepts all connections")


def _grown(before: Mapping[int, int], after: Mapping[int, int]) -> int:
    """Return the process that has more connections than before."""
    return max(after, key=lambda process: after[process] - before.get(process, 0))
