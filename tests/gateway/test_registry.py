"""The registry alone, with a Redis that cannot be reached: the sessions of one worker."""

from collections.abc import AsyncIterator

import pytest

from app.gateway import registry as module
from app.gateway.registry import Registry
from app.live.command_bus import CommandBus
from app.live.connect import open_redis
from app.live.envelopes import EvictEnvelope
from app.live.presence import Presence
from app.types import TenantId, WorkerId
from tests.support.live import TENANT, RecordingSession, SetClock, connection, owner


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def registry(clock: SetClock) -> AsyncIterator[Registry]:
    async with open_redis("unix:///nonexistent/redis.sock") as redis:
        presence = Presence(redis, WorkerId("a"), clock)
        await presence.renew()
        yield Registry(presence, CommandBus(redis, WorkerId("a"), "secret"), clock)


async def test_the_newest_session_has_the_place(registry: Registry) -> None:
    old, new = RecordingSession(connection(1)), RecordingSession(connection(2))
    assert await registry.admit(old)
    assert await registry.admit(new)
    assert (old.evicted, new.evicted) == (True, False)
    assert registry.get(TENANT, "RDAM-1") is new
    assert registry.sessions() == [new]


async def test_an_older_session_that_comes_late_is_evicted(registry: Registry) -> None:
    old, new = RecordingSession(connection(1)), RecordingSession(connection(2))
    await registry.admit(new)
    assert not await registry.admit(old)
    assert (old.evicted, new.evicted) == (True, False)
    await registry.leave(old)
    assert registry.get(TENANT, "RDAM-1") is new


async def test_a_charge_point_made_anew_is_newer_whatever_its_epoch(registry: Registry) -> None:
    deleted = RecordingSession(connection(37, charge_point_id=7))
    recreated = RecordingSession(connection(1, charge_point_id=8))
    await registry.admit(deleted)
    assert await registry.admit(recreated)
    assert deleted.evicted


async def test_identities_and_tenants_do_not_meet(registry: Registry) -> None:
    session = RecordingSession(connection(1))
    await registry.admit(session)
    assert registry.get(TENANT, "rdam-1") is None
    assert registry.get(TenantId(2), "RDAM-1") is None


@pytest.mark.parametrize(
    ("charge_point_id", "epoch", "evicted"), [(7, 4, False), (7, 5, False), (7, 6, True), (8, 1, True)]
)
async def test_an_eviction_hits_older_sessions_only(
    registry: Registry, charge_point_id: int, epoch: int, evicted: bool
) -> None:
    session = RecordingSession(connection(5))
    await registry.admit(session)
    envelope = EvictEnvelope(
        tenant_id=TENANT,
        identity="RDAM-1",
        epoch=epoch,
        life_s=60.0,
        issuer=WorkerId("b"),
        charge_point_id=charge_point_id,
    )
    registry.evict_older(envelope)
    assert session.evicted is evicted


async def test_a_stale_owner_is_closed_and_its_successor_is_not(registry: Registry) -> None:
    session = RecordingSession(connection(5))
    await registry.admit(session)
    registry.stale(owner("a", 4))
    assert not session.evicted
    registry.stale(owner("a", 5))
    assert session.evicted


async def test_connections_that_replace_each_other_have_to_wait(registry: Registry, clock: SetClock) -> None:
    for epoch in range(1, 8):
        assert await registry.pause_s(TENANT, "RDAM-1") == 0.0
        await registry.admit(RecordingSession(connection(epoch)))
        clock.advance(0.25)
    assert await registry.pause_s(TENANT, "RDAM-1") == 0.75
    assert await registry.pause_s(TENANT, "RDAM-2") == 0.0
    clock.advance(0.75)
    assert await registry.pause_s(TENANT, "RDAM-1") == 0.0
    await registry.admit(RecordingSession(connection(8)))
    assert await registry.pause_s(TENANT, "RDAM-1") == 2.0
    clock.advance(600.0)
    assert await registry.pause_s(TENANT, "RDAM-1") == 0.0


async def test_a_connection_that_ended_before_the_next_was_not_replaced(registry: Registry) -> None:
    for epoch in range(1, 20):
        session = RecordingSession(connection(epoch))
        await registry.admit(session)
        await registry.leave(session)
    assert await registry.pause_s(TENANT, "RDAM-1") == 0.0


async def test_take_overs_are_remembered_of_so_many_charge_points_only(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TAKE_OVERS_LIMIT", 1)
    for identity in ("A", "B"):
        for epoch in range(1, 8):
            await registry.admit(RecordingSession(connection(epoch, identity=identity)))
    assert await registry.pause_s(TENANT, "A") == 0.0
    assert await registry.pause_s(TENANT, "B") > 0.0
