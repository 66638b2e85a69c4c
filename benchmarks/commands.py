"""A command from REST to the charge point's socket and back, one at a time.

`same_worker`: the request comes in where the socket is. `across_workers`: the socket is on another server
process of the same database and Redis, and the command travels over the bus.
"""

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from app.administration import TENANT_SCOPES, create_key, open_database
from app.clock import SystemClock
from benchmarks.accounting import cpu_use
from benchmarks.host import Cores
from benchmarks.http_load import HttpClient, HttpLoadError
from benchmarks.load import FleetPlan, running_fleet
from benchmarks.plan import Plan
from benchmarks.rig import HOST, TENANT, Server, Site, identity, running_server
from benchmarks.rounds import Figures, summarize_rounds

_ACTION = "ClearCache"
"""Has no effect that a charge point would have to report later; its answer is a status."""


async def measure(site: Site, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return latencies, and CPU time of each command in all server processes, PostgreSQL and Redis."""
    token = await api_token(site)
    rounds: dict[str, list[Figures]] = {"same_worker": [], "across_workers": []}
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(running_server(site, cores, directory))
        other = await stack.enter_async_context(running_server(site, cores, directory))
        fleet = await stack.enter_async_context(running_fleet(FleetPlan(owner.url, site.key)))
        await fleet.connect(plan.command_charge_points)
        ports = {"same_worker": owner.port, "across_workers": other.port}

        async def round_at(port: int, commands: int) -> Figures:
            # A connection of its own: the server closes one that idles while the others have their round.
            async with HttpClient.connected(HOST, port, token) as client:
                return await _round(site, (owner, other), client, commands, plan)

        # The first ones load code and fill pools.
        for port in ports.values():
            await round_at(port, plan.command_charge_points)
        for _ in range(plan.command_rounds):
            for name, port in ports.items():
                rounds[name].append(await round_at(port, plan.commands))
    return {
        "action": _ACTION,
        "commands": plan.commands,
        **{name: summarize_rounds(found) for name, found in rounds.items()},
    }


async def api_token(site: Site) -> str:
    """Return an API key of the benchmark's tenant."""
    async with open_database(site.settings, SystemClock()) as database:
        return await create_key(
            database, site.settings.credential_pepper, tenant=TENANT, name="benchmark", scopes=TENANT_SCOPES
        )


async def _round(
    site: Site, servers: tuple[Server, ...], client: HttpClient, commands: int, plan: Plan
) -> Figures:
    processes = [process for server in servers for process in server.processes]
    before = [cpu_use(of) for of in (processes, site.postgres_processes(), [site.redis])]
    took_ms = []
    for number in range(commands):
        charge_point = identity(number % plan.command_charge_points)
        started = time.perf_counter()
        answer = await client.post(f"/v1/charge-points/{charge_point}/commands/{_ACTION}?wait=10", b"{}")
        took_ms.append((time.perf_counter() - started) * 1000.0)
        if answer["state"] != "accepted":
            raise HttpLoadError(f"a command ended as {answer}")
    after = [cpu_use(of) for of in (processes, site.postgres_processes(), [site.redis])]
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
