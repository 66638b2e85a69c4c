"""Measures a connection storm: TCP, handshake, authentication and BootNotification, as fast as possible.

After an outage all charge points come back at once. A bare FastAPI WebSocket route is measured in turns; its
"boot" is an echo.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.accounting import cpu_use
from benchmarks.host import Cores
from benchmarks.load import FleetPlan, running_fleet
from benchmarks.peers import PEERS
from benchmarks.plan import Plan
from benchmarks.rounds import Figures, Measured, processes_of, summarize_rounds
from benchmarks.testbed import Testbed, running_peer, running_server

OURS = "stationmaster"
BARE = "fastapi_echo"


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return connections per second, and CPU time per connection."""
    rounds: dict[str, list[Figures]] = {OURS: [], BARE: []}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(testbed, cores, directory))
        peer = next(peer for peer in PEERS if peer.name == BARE)
        bare = await stack.enter_async_context(running_peer(peer, cores, directory))
        subjects: dict[str, Measured] = {}
        for name, target, engines in ((OURS, server, testbed), (BARE, bare, None)):
            fleet_plan = FleetPlan(target.url, testbed.key, expect=target.expect, sources=4)
            fleet = await stack.enter_async_context(running_fleet(fleet_plan))
            subjects[name] = Measured(target, fleet, engines)
        for _ in range(plan.storm_rounds):
            for name, subject in subjects.items():
                rounds[name].append(await storm_round(subject, plan))
                # The work of the server after connections have closed must not count in the next round.
                await asyncio.sleep(plan.storm_settle_s)
    return {
        "connections": plan.storm_connections,
        "at_once": plan.storm_at_once,
        **{name: summarize_rounds(found) for name, found in rounds.items()},
    }


async def storm_round(subject: Measured, plan: Plan) -> Figures:
    """Connect all charge points, hang up, and return the figures of that."""
    postgres, redis = processes_of(subject.testbed)
    before = [cpu_use(processes) for processes in (subject.server.processes, postgres, redis)]
    figures = await subject.fleet.connect(plan.storm_connections, at_once=plan.storm_at_once)
    postgres, redis = processes_of(subject.testbed)
    after = [cpu_use(processes) for processes in (subject.server.processes, postgres, redis)]
    await subject.fleet.hang_up()
    used_us = [
        late.since(early).exact_s / figures["connections"] * 1e6
        for early, late in zip(before, after, strict=True)
    ]
    found: Figures = {
        "connections_per_s": figures["connections_per_s"],
        "p50_ms": figures["latency"]["p50_ms"],
        "p99_ms": figures["latency"]["p99_ms"],
        "server_cpu_us": used_us[0],
        "server_busy": used_us[0] / 1e6 * figures["connections_per_s"],
        "load_cpu_us": figures["cpu_us_per_connection"],
    }
    if subject.testbed is not None:
        found |= {"postgres_cpu_us": used_us[1], "redis_cpu_us": used_us[2]}
    return found
