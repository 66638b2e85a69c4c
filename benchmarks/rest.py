"""Measures frequent reads of the REST API: lists and single resources, on one worker.

Keep-alive connections run a closed loop, on a tenant whose charge points have transactions.
"""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.commands import api_token
from benchmarks.host import Cores
from benchmarks.http_load import HttpLoop
from benchmarks.load import FleetPlan, Run, running_fleet
from benchmarks.plan import Plan
from benchmarks.rounds import Figures, summarize_rounds
from benchmarks.testbed import Server, Testbed, identity, running_server

_CHARGE_POINTS = 64
_BUSIEST_TRANSACTION = """
    select t.id from transactions t left join meter_values v on v.transaction_id = t.id
    group by t.id order by count(v.transaction_id) desc, t.id limit 1
"""


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return requests per second, and CPU time per request in the server and in PostgreSQL."""
    token = await api_token(testbed)
    async with (
        running_server(testbed, cores, directory) as server,
        running_fleet(FleetPlan(server.url, testbed.key)) as fleet,
    ):
        sockets = min(_CHARGE_POINTS, max(plan.durable_sockets))
        await fleet.connect(sockets)
        # This stores transactions, and connectors with a status.
        await fleet.run(Run("mixed_day", sockets, 0.0, plan.rest_filling_s), _nothing, _nothing)
        # From here on nothing changes, so that all answers are the same.
        await fleet.hang_up()
        await asyncio.sleep(plan.rest_settle_s)
        paths = await _paths(testbed)
        rounds: dict[str, list[Figures]] = {name: [] for name in paths}
        for _ in range(plan.rest_rounds):
            for name, path in paths.items():
                rounds[name].append(await _round(testbed, server, path, token, plan))
    return {
        "connections": plan.rest_connections,
        "paths": {name: {"path": paths[name], **summarize_rounds(found)} for name, found in rounds.items()},
    }


async def _paths(testbed: Testbed) -> dict[str, str]:
    """Return the paths to read, by name. The transaction is the one with the most meter values."""
    connection = await asyncpg.connect(testbed.engines.database_url)
    try:
        transaction_id = await connection.fetchval(_BUSIEST_TRANSACTION)
    finally:
        await connection.close()
    return {
        "charge point list": "/v1/charge-points?limit=50",
        "charge point": f"/v1/charge-points/{identity(0)}",
        "connectors": f"/v1/charge-points/{identity(0)}/connectors",
        "transaction list": "/v1/transactions?limit=50",
        "transaction": f"/v1/transactions/{transaction_id}",
        "its meter values": f"/v1/transactions/{transaction_id}/meter-values?limit=50",
    }


def _nothing() -> None:
    return


async def _round(testbed: Testbed, server: Server, path: str, token: str, plan: Plan) -> Figures:
    loop = HttpLoop(server.port, path, plan.rest_connections, token)
    groups = [lambda: server.processes, testbed.postgres_processes, lambda: [testbed.redis]]
    rate, used_us = await loop.run(plan.rest_round_s, groups)
    names = ("server_cpu_us", "postgres_cpu_us", "redis_cpu_us")
    return {"requests_per_s": rate, **dict(zip(names, used_us, strict=True))}
