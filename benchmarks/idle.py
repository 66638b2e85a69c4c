"""Memory of an idle connection: authenticated, booted, then silent."""

import asyncio
from pathlib import Path
from typing import Any

from benchmarks.accounting import memory
from benchmarks.host import Cores
from benchmarks.load import FleetPlan, running_fleet
from benchmarks.plan import Plan
from benchmarks.rig import Server, Site, running_server
from benchmarks.summary import significant, slope


async def measure(site: Site, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the server's memory at several numbers of connections, and what one more costs."""
    async with (
        running_server(site, cores, directory) as server,
        running_fleet(FleetPlan(server.url, site.key)) as fleet,
    ):
        await asyncio.sleep(plan.idle_settle_s)
        points = [_point(server, 0)]
        for count in plan.idle_steps:
            before = points[-1]["connections"]
            await fleet.connect(count - before, first=before)
            await asyncio.sleep(plan.idle_settle_s)
            points.append(_point(server, count))
    last, empty = points[-1], points[0]
    # What the first connections cost once (code that is loaded, pools that fill) is not theirs: it is left
    # out of the slope, and stays in the mean.
    later = points[1:]
    return {
        "unit": "bytes of the server's processes",
        "points": points,
        "resident_bytes_per_connection": _per_connection(later, "resident_bytes"),
        "proportional_bytes_per_connection": _per_connection(later, "proportional_bytes"),
        "mean_resident_bytes_per_connection": significant(
            (last["resident_bytes"] - empty["resident_bytes"]) / last["connections"]
        ),
    }


def _point(server: Server, connections: int) -> dict[str, int]:
    found = memory(server.processes)
    return {
        "connections": connections,
        "resident_bytes": found.resident_bytes,
        "proportional_bytes": found.proportional_bytes,
    }


def _per_connection(points: list[dict[str, int]], kind: str) -> float:
    return significant(slope([(point["connections"], point[kind]) for point in points]))
