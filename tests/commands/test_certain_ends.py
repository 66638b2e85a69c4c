"""An end that says that nothing was sent is only recorded when nothing can be sent."""

import asyncio

import msgspec
import pytest
from redis.asyncio import Redis

from app.commands import service as command_service
from app.commands.records import CommandRequest
from app.commands.store.commands import CommandSteps, CommandStore, End
from app.errors import Unavailable
from app.live.envelopes import CallEnvelope, CancelEnvelope, MovedEnvelope
from app.types import CommandId
from tests.support.cluster import RESET, Cluster, received
from tests.support.workers import accept, silence


async def test_what_a_living_worker_has_lost_ends_although_redis_does_not_say_who_lives(
    cluster: Cluster,
) -> None:
    charger = await cluster.charger(cluster.b, silence)
    sent = await cluster.issue(cluster.a, charger)
    queued = await cluster.issue(cluster.a, charger)
    await received(charger)
    await charger.reported()
    for command in (sent, queued):
        cluster.b.owner._owned.end(CommandId(str(command.id)), "accepted")
    assert cluster.b.presence.alive_workers() is None
    ends = []
    for _ in range(8):
        await cluster.a.reaper.reap()
        await cluster.b.reaper.reap()
        ends.append([(await cluster.command(command.id)).state for command in (sent, queued)])
        cluster.clock.advance(45)
    assert ends[0] == ["sent", "queued"]
    assert ends[1] == ["timed_out", "queued"]
    assert ends[-1] == ["timed_out", "expired"]


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
async def test_a_clock_that_is_set_neither_expires_nor_delays(cluster: Cluster, step_s: float) -> None:
    charger = await cluster.charger(cluster.a, silence)
    sent = await cluster.issue(cluster.a, charger, timeout_s=600)
    queued = await cluster.issue(cluster.a, charger)
    overdue = await cluster.issue(cluster.a, charger)
    await received(charger)
    await charger.reported()
    cluster.clock.set_by(step_s)
    for worker in (cluster.a, cluster.b):
        worker.owner.withdraw_overdue()
        await worker.reaper.reap()
        await worker.reaper.reap()
    charger.expire()
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    states = [(await cluster.command(command.id)).state for command in (sent, queued, overdue)]
    assert states == ["accepted", "sent", "queued"]
    later = await cluster.issue(cluster.a, charger)
    cluster.clock.advance(299)
    cluster.a.owner.withdraw_overdue()
    assert (await cluster.command(later.id)).state == "queued"
    cluster.clock.advance(2)
    cluster.a.owner.withdraw_overdue()
    await charger.reported()
    states = [(await cluster.command(command.id)).state for command in (overdue, later)]
    assert states == ["expired", "expired"]


async def test_a_flush_during_a_command_loses_nothing(cluster: Cluster, redis: Redis) -> None:
    charger = await cluster.charger(cluster.b, silence)
    command = await cluster.issue(cluster.a, charger)
    await received(charger)
    await redis.flushall()
    charger.reply(0, {"status": "Accepted"})
    assert (await cluster.end(cluster.a, command)).state == "accepted"
    for worker in (cluster.a, cluster.b):
        await worker.presence.renew()
    again = await cluster.issue(cluster.a, charger)
    await received(charger, 2)
    charger.reply(1, {"status": "Accepted"})
    assert (await cluster.end(cluster.a, again)).state == "accepted"


async def test_after_a_flush_a_cancelled_command_does_not_go_out(cluster: Cluster, redis: Redis) -> None:
    charger = await cluster.charger(cluster.b, silence)
    first = await cluster.issue(cluster.a, charger, "GetConfiguration", "{}")
    second = await cluster.issue(cluster.a, charger)
    await received(charger)
    await charger.reported()
    await redis.flushall()
    cancelled = await cluster.a.commands.cancel(cluster.tenant_id, second.id)
    assert cancelled.state == "cancelled"
    charger.reply(0, {})
    await charger.reported()
    assert (await cluster.command(first.id)).state == "accepted"
    assert len(charger.received) == 1


async def test_a_command_is_not_cancelled_if_its_worker_does_not_answer(
    cluster: Cluster, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    charger = await cluster.charger(cluster.b, silence)
    await cluster.issue(cluster.a, charger)
    queued = await cluster.issue(cluster.a, charger)
    await received(charger)
    monkeypatch.setitem(cluster.b.receivers, CancelEnvelope, lambda _: None)
    monkeypatch.setattr(command_service, "_CANCEL_S", 0.1)
    await redis.flushall()
    with pytest.raises(Unavailable):
        await cluster.a.commands.cancel(cluster.tenant_id, queued.id)
    assert (await cluster.command(queued.id)).state == "queued"


async def test_after_a_flush_a_command_is_refused_until_it_is_known_who_is_connected(
    cluster: Cluster, redis: Redis
) -> None:
    charger, absent = await cluster.charger(cluster.b), await cluster.charge_point()
    request = CommandRequest(absent.identity, "Reset", RESET, "test")
    await redis.flushall()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await cluster.issue(cluster.a, charger)
        with pytest.raises(Unavailable):
            await cluster.a.commands.issue(cluster.tenant_id, request)
        await cluster.a.presence.renew()
    async with cluster.database.tenant(cluster.tenant_id) as work:
        assert await CommandStore(work).page(10) == []
    await cluster.b.presence.renew()
    ended = await cluster.issue(cluster.a, charger, wait_s=20)
    assert ended.state == "accepted"
    cluster.clock.advance(10)
    assert (await cluster.a.commands.issue(cluster.tenant_id, request)).state == "offline"


async def test_a_command_without_an_owner_is_not_offline_before_that_is_certain(
    cluster: Cluster, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker says that it does not have the session, and Redis has just been flushed."""
    record = await cluster.charge_point()
    old = await cluster.b.connect(cluster.storage, record, accept)
    cluster.b.registry._forget(old)
    monkeypatch.setattr(command_service, "_LOCATE_AGAIN_S", 0.01)
    take_report, reports = cluster.a.commands.moved, asyncio.Queue[MovedEnvelope]()
    monkeypatch.setitem(cluster.a.receivers, MovedEnvelope, reports.put_nowait)
    command = await cluster.issue(cluster.a, old)
    reported = await asyncio.wait_for(reports.get(), 20)
    await redis.flushall()
    take_report(reported)
    new = await cluster.b.connect(cluster.storage, record, accept)
    await cluster.b.presence.renew()
    ended = await cluster.end(cluster.a, command)
    assert (ended.state, len(old.received), len(new.received)) == ("accepted", 0, 1)


async def test_a_worker_without_a_lease_lets_no_command_wait(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.a, silence)
    first = await cluster.issue(cluster.a, charger, timeout_s=600)
    waiting = await cluster.issue(cluster.a, charger)
    await charger.reported()
    cluster.clock.advance(600)
    assert not cluster.a.presence.holds_lease()
    cluster.a.owner._owned._owned[CommandId(str(waiting.id))].until_s += 600
    cluster.a.owner.withdraw_overdue()
    late = await cluster.issue(cluster.a, charger, wait_s=20)
    await charger.reported()
    assert (late.state, late.error and late.error["code"]) == ("expired", "NotQueued")
    states = [(await cluster.command(command.id)).state for command in (first, waiting)]
    assert states == ["sent", "expired"]
    idle = await cluster.charger(cluster.a)
    assert (await cluster.issue(cluster.a, idle, wait_s=20)).state == "accepted"


@pytest.mark.parametrize("is_open", [True, False])
async def test_a_call_that_was_long_under_way_is_sent_only_if_it_has_not_ended(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    charger = await cluster.charger(cluster.b)
    envelopes = asyncio.Queue[CallEnvelope]()
    monkeypatch.setitem(cluster.b.receivers, CallEnvelope, envelopes.put_nowait)
    command = await cluster.issue(cluster.a, charger)
    envelope = await asyncio.wait_for(envelopes.get(), 20)
    if not is_open:
        async with cluster.database.tenant(cluster.tenant_id) as work:
            steps = CommandSteps(work.rows, work.tenant_id)
            await steps.finish(command.id, End("connection_lost"), cluster.clock.now())
    cluster.b.owner.call(msgspec.structs.replace(envelope, life_s=envelope.life_s - 60))
    await cluster.b.commands.settle()
    await charger.reported()
    assert (await cluster.command(command.id)).state == ("accepted" if is_open else "connection_lost")
    assert len(charger.received) == is_open
