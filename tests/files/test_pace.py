"""How many transfers, and how fast."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from app.errors import Unavailable
from app.files.pace import OF_LINK_LIMIT, TransferPace, TransferSlots


def hits(limit: str) -> float:
    """Return how often a limit was reached."""
    return REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": limit}) or 0.0


async def test_parts_take_turns_at_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("app.files.pace.asyncio.sleep", pause)
    monkeypatch.setattr("app.files.pace.asyncio.get_running_loop", lambda: SimpleNamespace(time=lambda: 7.0))
    pace = TransferPace(1_000_000)
    for _ in range(4):
        await pace.turn(10_000)
    # 5 ms of the rate may be used at once.
    assert pauses == pytest.approx([0.005, 0.015, 0.025, 0.035])


def test_a_worker_and_a_tenant_have_limits() -> None:
    slots, before = TransferSlots(5), hits("transfers")
    begun = [slots.slot(1) for _ in range(4)]
    for slot in begun:
        slot.__enter__()
    with pytest.raises(Unavailable), slots.slot(1):
        raise AssertionError("one tenant took all")
    with slots.slot(2):
        assert slots.taken == 5
        with pytest.raises(Unavailable), slots.slot(3):
            raise AssertionError("beyond the limit")
    assert hits("transfers") == before + 2
    for slot in begun:
        slot.__exit__(None, None, None)
    with slots.slot(1):
        assert slots.taken == 1


def test_a_url_has_a_limit() -> None:
    slots, link, before = TransferSlots(100), uuid4(), hits("transfers_of_link")
    begun = [slots.slot(1, link) for _ in range(OF_LINK_LIMIT)]
    for slot in begun:
        slot.__enter__()
    with pytest.raises(Unavailable), slots.slot(1, link):
        raise AssertionError("beyond the limit")
    assert hits("transfers_of_link") == before + 1
    with slots.slot(1, uuid4()):
        pass
    for slot in begun:
        slot.__exit__(None, None, None)
    with slots.slot(1, link):
        assert slots.taken == 1
