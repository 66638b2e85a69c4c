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
from app.gateway.tenant_quotas import TenantQuotas
from app.gateway.ticker import CallDeadlines, Ticker
from app.ocpp import FrameBuffer
from app.settings import Settings


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
        TenantQuotas(
            Settings(credential_pepper="pepper"), SystemClock(), FrameBuffer(1, 1, 1), lambda *_: None
        ),
        cast(LastSeenRecorder, BrokenRecorder()),
        cast(Registry, FakeRegistry()),
        SystemClock(),
        lambda *_: None,
    )
    ticker.start()
    await asyncio.wait_for(seen.wait(), 10)
    await ticker.close()


def test_the_worst_value_is_remembered_for_this_minute_and_the_next() -> None:
    worst = module.RecentWorst()
    assert [worst.add(value, now) for value, now in ((0.5, 601.0), (0.1, 655.0), (0.2, 661.0))] == [0.5] * 3
    assert worst.add(0.1, 721.0) == 0.2
    # A gap of more than a minute: nothing of before counts.
    assert worst.add(0.05, 900.0) == 0.05
