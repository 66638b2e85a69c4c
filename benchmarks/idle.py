"""Memory of an idle connection: authenticated, booted, then silent."""

import asyncio
from typing import Any

from benchmarks.accounting import memory
from benchmarks.plan import Plan
from benchmarks.rig import Rig
from benchmarks.summary import significant, slope
from benchmarks.websocket_load import LoadSocket
from benchmarks.wire import connect_many


async def measure(rig: Rig, plan: Plan, first: int) -> dict[str, Any]:
    """Return the server's memory at several numbers of connections, and what one more costs.

    first: number of the first charge point that is free.
    """
    sockets: list[LoadSocket] = []
    await asyncio.sleep(plan.idle_settle_s)
    points = [_point(rig, 0)]
    for count in plan.idle_steps:
        sockets += await connect_many(rig, first + len(sockets), count - len(sockets))
        await asyncio.sleep(plan.idle_settle_s)
        points.append(_point(rig, count))
    for socket in sockets:
        socket.close()
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


def _point(rig: Rig, connections: int) -> dict[str, int]:
    found = memory(rig.server)
    return {
        "connections": connections,
        "resident_bytes": found.resident_bytes,
        "proportional_bytes": found.proportional_bytes,
    }


def _per_connection(points: list[dict[str, int]], kind: str) -> float:
    return significant(slope([(point["connections"], point[kind]) for point in points]))
