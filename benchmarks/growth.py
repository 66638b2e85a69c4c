"""Measures how the cost of a frame grows with the system: durable MeterValues at one fixed rate.

`sockets`: more and more charge points are connected, and all of them send. `rows`: more and more meter values
are stored already. The rate is half of what the smallest size reaches in a closed loop.
"""

from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.host import Cores
from benchmarks.load import FleetPlan, Run, running_fleet
from benchmarks.plan import Plan
from benchmarks.rounds import Figures, Measured, measure_round, summarize_rounds
from benchmarks.summary import significant
from benchmarks.testbed import TENANT, Testbed, age_log, running_server

_WARM_UP_S = 1.0
_ROWS_AT_ONCE = 250_000
# A year before the records of the load, so that the load does not repeat them.
_FILL = """
    insert into meter_values
    select t.id, c.first_id + number % c.count, 1, null, '2023-01-01'::timestamptz + number * interval '1 s',
        now(), 'periodic',
        jsonb_build_array(jsonb_build_object(
            'value', number::text, 'measurand', 'Energy.Active.Import.Register', 'unit', 'Wh')),
        number
    from tenants t,
        lateral (select min(id) as first_id, count(*) as count from charge_points where tenant_id = t.id) c,
        generate_series($2::bigint, $3::bigint - 1) as number
    where t.slug = $1
"""


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the figures at each size, and the cost at the largest relative to the smallest."""
    by_sockets: dict[int, list[Figures]] = {}
    by_rows: dict[int, list[Figures]] = {}
    smallest = plan.growth_sockets[0]
    await age_log(testbed, plan.log_mebibytes)
    async with (
        running_server(testbed, cores, directory) as server,
        running_fleet(FleetPlan(server.url, testbed.key, sources=4)) as fleet,
    ):
        subject = Measured(server, fleet, testbed)
        await fleet.connect(smallest)
        closed, _ = await measure_round(
            subject, Run("meter_values", smallest, _WARM_UP_S, plan.growth_round_s)
        )
        rate = closed["frames_per_s"] / 2

        async def rounds(sockets: int) -> list[Figures]:
            run = Run("meter_values", sockets, _WARM_UP_S, plan.growth_round_s, rate_per_s=rate)
            return [(await measure_round(subject, run))[0] for _ in range(plan.growth_rounds)]

        filled = 0
        for rows in plan.growth_rows:
            await _fill(testbed, filled, rows)
            filled = rows
            by_rows[rows] = await rounds(smallest)
        connected = smallest
        for sockets in plan.growth_sockets:
            await fleet.connect(sockets - connected, first=connected)
            connected = sockets
            by_sockets[sockets] = await rounds(sockets)
    return {
        "rate_per_s": significant(rate),
        "sockets": [{"sockets": size, **summarize_rounds(found)} for size, found in by_sockets.items()],
        "rows": [{"rows": size, **summarize_rounds(found)} for size, found in by_rows.items()],
        "times": {"sockets": _times(by_sockets), "rows": _times(by_rows)},
    }


def _times(by_size: dict[int, list[Figures]]) -> dict[str, float]:
    """Return the median at the largest size divided by that at the smallest."""
    figures = [summarize_rounds(found) for found in by_size.values()]
    names = ("server_cpu_us", "postgres_cpu_us")
    return {name: significant(figures[-1][name]["median"] / figures[0][name]["median"], 3) for name in names}


async def _fill(testbed: Testbed, first: int, end: int) -> None:
    """Store the meter values with the numbers from `first` up to, but not including, `end`."""
    connection = await asyncpg.connect(testbed.engines.database_url)
    try:
        for start in range(first, end, _ROWS_AT_ONCE):
            await connection.execute(_FILL, TENANT, start, min(end, start + _ROWS_AT_ONCE))
        # The work that the inserts leave for later must not count as the load's.
        await connection.execute("vacuum analyze meter_values")
        await connection.execute("checkpoint")
    finally:
        await connection.close()
