"""The clock of a worker's sessions: no fault in one tick ends the ticking."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from app.clock import SystemClock
from app.gateway import ticker as module
from app.gateway.last_seen import LastSeenRecorder
from app.gateway.registry import Registry
from app.gateway.session import Session
from app.gateway.ticker import CallDeadlines, Ticker
from app.metrics import CALL_SECONDS
from app.ocpp import Counters


class FakeSession:
    """Has a deadline for ever; `expire_calls` does what the test says."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def expire_calls(self) -> bool:
        self._act()
        return True


class FakeRegistry:
    def __len__(self) -> int:
        return 0

    def sessions(self) -> list[Any]:
        return []


class BrokenRecorder:
    async def write(self, connections: list[Any]) -> None:
        raise ValueError("a defect")


def fail() -> None:
    raise ValueError("a defect")


async def test_neither_a_session_nor_the_last_seen_times_can_stop_the_ticks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.001)
    monkeypatch.setattr("app.tasks._AFTER_FAULT_S", 0.001)
    deadlines = CallDeadlines()
    ticks = 0
    seen = asyncio.Event()

    def count() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 10:
            seen.set()

    for session in (FakeSession(fail), FakeSession(count)):
        deadlines.sessions.add(cast(Session, session))
    ticker = Ticker(
        deadlines,
        Counters(CALL_SECONDS.bounds_s),
        cast(LastSeenRecorder, BrokenRecorder()),
        cast(Registry, FakeRegistry()),
        SystemClock(),
    )
    ticker.start()
    await asyncio.wait_for(seen.wait(), 10)
    await ticker.close()
