"""Measures the memory of idle connections: logged in, booted, then silent; on one and on three workers."""

import asyncio
import resource
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.accounting import kernel_memory, memory
from benchmarks.host import Cores
from benchmarks.load import FleetPlan, running_fleet
from benchmarks.plan import Plan
from benchmarks.summary import significant, slope
from benchmarks.testbed import Server, Testbed, running_server

_WORKERS = 3
_OTHER_DESCRIPTORS = 500
"""Descriptors of a process in addition to its charge points, and the difference between two workers."""


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the memory of the server at several numbers of connections, and the cost of one more.

    A process has a limit on its descriptors (`ulimit -Hn`). Steps above it are left out, and listed in
    `beyond_limit`.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = limit - _OTHER_DESCRIPTORS if limit != resource.RLIM_INFINITY else max(plan.idle_steps)
    steps = [step for step in plan.idle_steps if step <= most]
    points = await _one_worker(testbed, cores, plan, directory, steps)
    found = {
        "unit": "bytes of the server's processes",
        "descriptor_limit": limit,
        "beyond_limit": [step for step in {*plan.idle_steps, plan.idle_per_worker} if step > most],
        **_figures(points),
    }
    if 0 < plan.idle_per_worker <= most:
        found["three_workers"] = await _three_workers(testbed, cores, plan, directory)
    return found


async def _one_worker(
    testbed: Testbed, cores: Cores, plan: Plan, directory: Path, steps: list[int]
) -> list[dict[str, int]]:
    async with (
        running_server(testbed, cores, directory) as server,
        running_fleet(FleetPlan(server.url, testbed.key, sources=4)) as fleet,
    ):
        await asyncio.sleep(plan.idle_settle_s)
        points = [_point(server, 0)]
        for count in steps:
            before = points[-1]["connections"]
            await fleet.connect(count - before, first=before)
            await asyncio.sleep(plan.idle_settle_s)
            points.append(_point(server, count))
    return points


async def _three_workers(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Measure three workers with three load generators. Each process has its own limit on descriptors."""
    each = plan.idle_per_worker
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(testbed, cores, directory, workers=_WORKERS))
        await asyncio.sleep(plan.idle_settle_s)
        empty = _point(server, 0)
        for number in range(_WORKERS):
            fleet_plan = FleetPlan(server.url, testbed.key, first=number * each, sources=4)
            fleet = await stack.enter_async_context(running_fleet(fleet_plan))
            await fleet.connect(each)
        await asyncio.sleep(plan.idle_settle_s)
        return {"workers": _WORKERS, "points": [empty, _point(server, _WORKERS * each)]}


def _figures(points: list[dict[str, int]]) -> dict[str, Any]:
    last, empty = points[-1], points[0]
    # The first connections load code and fill pools. This cost is left out of the slope, but not of the mean.
    later = points[1:]
    return {
        "points": points,
        "resident_bytes_per_connection": _per_connection(later, "resident_bytes"),
        "proportional_bytes_per_connection": _per_connection(later, "proportional_bytes"),
        # Both ends of a connection are on this machine.
        "kernel_bytes_per_socket": significant(_per_connection(later, "kernel_bytes") / 2.0),
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
        "kernel_bytes": kernel_memory(),
    }


def _per_connection(points: list[dict[str, int]], kind: str) -> float:
    return significant(slope([(point["connections"], point[kind]) for point in points]))
