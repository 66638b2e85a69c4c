"""Measures the server with storage: it answers after an fsynced commit. The engines have the other cores.

Closed loops with several numbers of sockets come first; then, for latency, an open loop at half of the
highest rate.
"""

from pathlib import Path
from typing import Any, Final

import asyncpg

from app.ocpp import unpack_frames
from benchmarks.host import Cores
from benchmarks.load import FleetPlan, LoadError, Run, Scenario, running_fleet
from benchmarks.plan import Plan
from benchmarks.rounds import Figures, Measured, measure_round, summarize_rounds
from benchmarks.summary import significant
from benchmarks.testbed import TENANT, Testbed, age_log, running_server

SCENARIOS: tuple[Scenario, ...] = ("meter_values", "transactions", "heartbeat", "mixed_day")
_RUNS: Final = """
    select packed from frame_runs join tenants on tenants.id = tenant_id
    where slug = $1 and packed is not null
"""
_HALF: Scenario = "meter_values"
"""The scenario of the open loop."""


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the figures by scenario and number of sockets.

    Raises:
        LoadError: an answer was wrong, or an answered MeterValues is not stored.
    """
    rounds: dict[Scenario, dict[int, list[Figures]]] = {
        scenario: {count: [] for count in plan.durable_sockets} for scenario in SCENARIOS
    }
    most = max(plan.durable_sockets)
    half: list[Figures] = []
    stored_before, logged_before = await _stored(testbed), await _logged_frames(testbed)
    answers = meter_values = 0
    await age_log(testbed, plan.log_mebibytes)
    async with (
        running_server(testbed, cores, directory) as server,
        running_fleet(FleetPlan(server.url, testbed.key)) as fleet,
    ):
        subject = Measured(server, fleet, testbed)
        await fleet.connect(most)
        # The rounds are the outer loop, so that changes of the machine affect all scenarios.
        for _ in range(plan.durable_rounds):
            for scenario, by_count in rounds.items():
                for count, found in by_count.items():
                    run = Run(scenario, count, plan.durable_warm_up_s, plan.durable_round_s)
                    figures, totals = await measure_round(subject, run)
                    found.append(figures)
                    answers += totals["answers"]
                    meter_values += totals["meter_values"]
            rate = max(figures[-1]["frames_per_s"] for figures in rounds[_HALF].values()) / 2
            run = Run(_HALF, most, plan.durable_warm_up_s, plan.durable_round_s, rate_per_s=rate)
            figures, totals = await measure_round(subject, run)
            half.append(figures)
            answers += totals["answers"]
            meter_values += totals["meter_values"]
    stored = await _stored(testbed) - stored_before
    if stored != meter_values:
        # A fast answer without a stored record is not a result.
        raise LoadError(f"{meter_values} MeterValues were answered, {stored} are stored")
    return {
        **{
            scenario: [{"sockets": count, **summarize_rounds(found)} for count, found in by_count.items()]
            for scenario, by_count in rounds.items()
        },
        "half_load": {"sockets": most, **summarize_rounds(half)},
        "stored_meter_values": stored,
        # Each CALL and its answer. The few frames of the boots are counted too.
        "logged_frames_share": significant((await _logged_frames(testbed) - logged_before) / (2 * answers)),
    }


async def _stored(testbed: Testbed) -> int:
    return await _count(testbed, "count(*) from meter_values")


async def _logged_frames(testbed: Testbed) -> int:
    connection = await asyncpg.connect(testbed.engines.database_url)
    try:
        async with connection.transaction():
            runs = connection.cursor(_RUNS, TENANT, prefetch=1000)
            return sum([len(unpack_frames(run["packed"], 0)[1]) async for run in runs])
    finally:
        await connection.close()


async def _count(testbed: Testbed, what: str) -> int:
    connection = await asyncpg.connect(testbed.engines.database_url)
    try:
        # This text is made of our own constants only.
        count: int = await connection.fetchval(
            f"select {what} join tenants on tenants.id = tenant_id where slug = $1",
            TENANT,
        )
    finally:
        await connection.close()
    return count
