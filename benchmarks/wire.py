"""Measures the byte path without a database: Stationmaster and other servers, in one run, in turns.

In a closed loop each charge point sends its next CALL when the last one is answered. Stationmaster validates
and answers as always, but its ledger acknowledges at once (`benchmarks.unstored`). `benchmarks.peers` says
what the other servers do and do not do.
"""

from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.host import Cores
from benchmarks.load import FleetPlan, Run, Scenario, running_fleet
from benchmarks.peers import PEERS
from benchmarks.plan import Plan
from benchmarks.rounds import Figures, Measured, measure_round, summarize_rounds
from benchmarks.summary import significant
from benchmarks.testbed import Server, Testbed, running_peer, running_server
from tools.node_packages import NodeMissingError

OURS = "stationmaster"
SCENARIOS: tuple[Scenario, ...] = ("meter_values", "heartbeat")
_DOES = "handshake with credentials, UTF-8, JSON, validation, duplicate check, handler, validated CALLRESULT"
_DOES_NOT = "storage: the ledger acknowledges at once, frames are not logged"


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the figures by scenario, number of sockets and server."""
    rounds: dict[Scenario, dict[int, dict[str, list[Figures]]]] = {
        scenario: {count: {} for count in plan.wire_sockets} for scenario in SCENARIOS
    }
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(running_server(testbed, cores, directory, stored=False))
        subjects = {OURS: await _connected(stack, ours, testbed, plan)}
        left_out: dict[str, str] = {}
        for peer in PEERS:
            try:
                server = await stack.enter_async_context(running_peer(peer, cores, directory))
            except NodeMissingError as missing:
                left_out[peer.name] = str(missing)
                continue
            subjects[peer.name] = await _connected(stack, server, None, plan)
        # The rounds are the outer loop, so that changes of the machine affect all servers.
        for _ in range(plan.wire_rounds):
            for scenario, by_count in rounds.items():
                for count, by_server in by_count.items():
                    for name, subject in subjects.items():
                        run = Run(scenario, count, plan.wire_warm_up_s, plan.wire_round_s)
                        figures, _ = await measure_round(subject, run)
                        by_server.setdefault(name, []).append(figures)
    return {
        "servers": {OURS: {"does": _DOES, "does_not": _DOES_NOT}}
        | {
            peer.name: {"does": peer.does, "does_not": peer.does_not}
            for peer in PEERS
            if peer.name in subjects
        },
        "left_out": left_out,
        **{
            scenario: [{"sockets": count, **_compared(by_server)} for count, by_server in by_count.items()]
            for scenario, by_count in rounds.items()
        },
    }


async def _connected(stack: AsyncExitStack, server: Server, testbed: Testbed | None, plan: Plan) -> Measured:
    key = testbed.key if testbed else "none"
    fleet = await stack.enter_async_context(running_fleet(FleetPlan(server.url, key, expect=server.expect)))
    await fleet.connect(max(plan.wire_sockets))
    return Measured(server, fleet, testbed)


def _compared(rounds: dict[str, list[Figures]]) -> dict[str, Any]:
    """Return the figures of each server, and those of ours relative to each other server."""
    found: dict[str, Any] = {name: summarize_rounds(figures) for name, figures in rounds.items()}
    for name, theirs in rounds.items():
        if name != OURS:
            found[name]["ours_times_as_fast"] = _ratio(rounds[OURS], theirs, "frames_per_s")
            found[name]["ours_cpu_share"] = _ratio(rounds[OURS], theirs, "server_cpu_us")
    return found


def _ratio(ours: list[Figures], theirs: list[Figures], figure: str) -> float:
    return significant(
        median(our[figure] / their[figure] for our, their in zip(ours, theirs, strict=True)), 3
    )
