"""Everything stored: answers after an fsynced commit, PostgreSQL and Redis on the other cores.

Closed loops at several numbers of sockets; then, for latency, an open loop at half of the highest rate.
"""

from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.host import Cores
from benchmarks.load import FleetPlan, LoadError, Run, Scenario, running_fleet
from benchmarks.plan import Plan
from benchmarks.rounds import Figures, Measured, measure_round, summarize_rounds
from benchmarks.summary import significant
from benchmarks.testbed import TENANT, Site, age_log, running_server

SCENARIOS: tuple[Scenario, ...] = ("meter_values", "transactions", "heartbeat", "mixed_day")
_HALF: Scenario = "meter_values"
"""The scenario whose latency at half of its highest rate is measured."""


async def measure(site: Site, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the figures by scenario and number of sockets.

    Raises:
        LoadError: an answer was wrong, or an answered MeterValues is not stored.
    """
    rounds: dict[Scenario, dict[int, list[Figures]]] = {
        scenario: {count: [] for count in plan.durable_sockets} for scenario in SCENARIOS
    }
    most = max(plan.durable_sockets)
    half: list[Figures] = []
    stored_before, logged_before = await _stored(site), await _logged_frames(site)
    answers = meter_values = 0
    await age_log(site, plan.log_mebibytes)
    async with (
        running_server(site, cores, directory) as server,
        running_fleet(FleetPlan(server.url, site.key)) as fleet,
    ):
        subject = Measured(server, fleet, site)
        await fleet.connect(most)
        # Rounds outside, so that what changes in the machine meanwhile meets every scenario.
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
    stored = await _stored(site) - stored_before
    if stored != meter_values:
        # A fast answer that stored nothing would be no result.
        raise LoadError(f"{meter_values} MeterValues were answered, {stored} are stored")
    return {
        **{
            scenario: [{"sockets": count, **summarize_rounds(found)} for count, found in by_count.items()]
            for scenario, by_count in rounds.items()
        },
        "half_load": {"sockets": most, **summarize_rounds(half)},
        "stored_meter_values": stored,
        # Each CALL and its answer; the few frames of the boots count as if they were of the load.
        "logged_frames_share": significant((await _logged_frames(site) - logged_before) / (2 * answers)),
    }


async def _stored(site: Site) -> int:
    return await _count(site, "count(*) from meter_values")


async def _logged_frames(site: Site) -> int:
    return await _count(site, "coalesce(sum(cardinality(texts)), 0)::bigint from frame_runs")


async def _count(site: Site, what: str) -> int:
    connection = await asyncpg.connect(site.engines.database_url)
    try:
        # Only our own constants stand in it.
        count: int = await connection.fetchval(
            f"select {what} join tenants on tenants.id = tenant_id where slug = $1",
            TENANT,
        )
    finally:
        await connection.close()
    return count
