"""A connection that is read later is read at last, also if the loop is late."""

import asyncio
import time
from typing import Any

import pytest
import uvloop

from app.gateway import anonymous_connections
from app.gateway.anonymous_connections import AnonymousConnections, AnonymousLimits

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Flow:
    """Whether a connection is read."""

    def __init__(self) -> None:
        self.read_paused = False

    def pause_reading(self) -> None:
        self.read_paused = True

    def resume_reading(self) -> None:
        self.read_paused = False


@pytest.mark.parametrize("loop", LOOPS)
def test_each_connection_is_read_at_last_although_the_loop_is_late(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anonymous_connections, "_BURST_S", 0.0)

    async def crowd() -> list[bool]:
        anonymous = AnonymousConnections(AnonymousLimits(accepts_per_s=800.0))
        flows = [Flow() for _ in range(50)]
        transport: Any = None
        for number, flow in enumerate(flows):
            anonymous.enter(transport, flow, f"192.0.2.{number}", 0)  # type: ignore[arg-type]
            # The loop is busy with something else, so that timers expire before it goes on.
            time.sleep(0.004)  # noqa: ASYNC251 - the test is about that
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        return [flow.read_paused for flow in flows]

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert not any(runner.run(crowd()))
