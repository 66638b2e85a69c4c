"""Commands between workers that die, lose Redis or lose the session: each ends once, none is sent twice."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from app.commands import endings
from app.commands.records import SentFacts
from app.commands.store.commands import CommandSteps, CommandStore, End
from app.errors import StoreUnavailable, Unavailable
from app.live.envelopes import CallEnvelope, MovedEnvelope
from app.live.keys import WorkerKeys
from app.types import CommandId, TenantId, WorkerId
from tests.support.cluster import RESET, Cluster, received
from tests.support.live import RedisServer
from tests.support.workers import Charger, accept, silence


def envelope_of(cluster: Cluster, charger: Charger, **changes: Any) -> CallEnvelope:
    envelope = CallEnvelope(
        tenant_id=cluster.tenant_id,
        identity=charger.connection.identity,
        epoch=charger.connection.epoch,
        life_s=300.0,
        full_life_s=300.0,
        issuer=WorkerId("a"),
        command_id=CommandId("00000000-0000-0000-0000-000000000001"),
        action="Reset",
        payload=RESET,
        timeout_s=30.0,
    )
    return msgspec.structs.replace(envelope, **changes)


async def test_a_second_delivery_sends_no_second_call(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    envelope = envelope_of(cluster, charger)
    for _ in range(3):
        await cluster.a.bus.deliver(WorkerId("b"), envelope)
    await cluster.a.bus.deliver(
        WorkerId("b"), envelope_of(cluster, charger, command_id=CommandId(str(UUID(int=2))))
    )
    await received(charger, 2)
    await charger.reported()
    assert [call[0] for call in charger.received] == [str(UUID(int=1)), str(UUID(int=2))]


async def test_an_envelope_for_another_epoch_is_reported_not_sent(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    cluster.b.owner.call(envelope_of(cluster, charger, epoch=charger.connection.epoch - 1))
    cluster.b.owner.call(envelope_of(cluster, charger, identity="unknown"))
    await charger.reported()
    assert charger.received == []


async def test_a_command_follows_its_charge_point_to_another_worker(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The envelope reaches the old worker although the charge point has logged in elsewhere meanwhile."""
    record = await cluster.charge_point()
    old = await cluster.b.connect(cluster.storage, record, accept)
    cluster.b.registry._forget(old)
    take_report, reports = cluster.a.commands.moved, asyncio.Queue[MovedEnvelope]()
    monkeypatch.setitem(cluster.a.receivers, MovedEnvelope, reports.put_nowait)
    command = await cluster.issue(cluster.a, old)
    reported = await asyncio.wait_for(reports.get(), 20)
    new = await cluster.a.connect(cluster.storage, record, accept)
    # Reported twice: the second must not end what the first has sent on its way.
    take_report(reported)
    take_report(reported)
    await new.reported()
    ended = await cluster.end(cluster.a, command)
    assert (ended.state, ended.worker, ended.epoch) == ("accepted", "a", new.connection.epoch)
    assert (len(old.received), len(new.received)) == (0, 1)


async def test_a_session_that_is_gone_everywhere_is_offline(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    cluster.b.registry._forget(charger)
    command = await cluster.issue(cluster.a, charger)
    assert (await cluster.end(cluster.a, command)).state == "offline"


async def test_commands_of_a_dead_worker_become_connection_lost(cluster: Cluster, redis: Redis) -> None:
    charger = await cluster.charger(cluster.b, silence)
    sent = await cluster.issue(cluster.a, charger)
    queued = await cluster.issue(cluster.a, charger)
    await received(charger)
    await charger.reported()
    charger.vanish()
    await redis.delete(WorkerKeys(WorkerId("b")).lease)
    await cluster.a.reaper.reap()
    assert (await cluster.command(sent.id)).state == "sent"
    for _ in range(4):
        cluster.clock.advance(300)
        await cluster.a.presence.renew()
    for _ in range(2):
        await cluster.a.reaper.reap()
        cluster.clock.advance(10)
    assert [(await cluster.command(c.id)).state for c in (sent, queued)] == ["connection_lost"] * 2


async def test_a_result_after_the_reaper_is_kept_as_late(cluster: Cluster, redis: Redis) -> None:
    charger = await cluster.charger(cluster.b, silence)
    command = await cluster.issue(cluster.a, charger)
    await received(charger)
    await charger.reported()
    async with cluster.database.tenant(cluster.tenant_id) as work:
        await CommandSteps(work.rows, work.tenant_id).finish(
            command.id, End("connection_lost"), cluster.clock.now()
        )
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    kept = await cluster.command(command.id)
    assert kept.state == "connection_lost"
    assert kept.late_result is not None


async def test_a_new_login_needs_nothing_of_the_dead_worker(cluster: Cluster, redis: Redis) -> None:
    record = await cluster.charge_point()
    dead = await cluster.b.connect(cluster.storage, record, silence)
    dead.vanish()
    alive = await cluster.a.connect(cluster.storage, record, accept)
    command = await cluster.issue(cluster.a, alive)
    assert (await cluster.end(cluster.a, command)).state == "accepted"


async def test_without_redis_local_commands_work_and_others_fail_at_once(
    fragile_site: Cluster, server: RedisServer
) -> None:
    cluster = fragile_site
    local, remote = await cluster.charger(cluster.a), await cluster.charger(cluster.b)
    server.kill()
    with pytest.raises(Unavailable) as refused:
        await cluster.issue(cluster.a, remote)
    assert refused.value.code == "bus_unavailable"
    command = await cluster.issue(cluster.a, local)
    assert (await cluster.end(cluster.a, command)).state == "accepted"
    server.start()
    for worker in (cluster.a, cluster.b):
        await worker.presence.renew()
    command = await cluster.issue(cluster.a, remote)
    assert (await cluster.end(cluster.a, command)).state == "accepted"
    assert len(remote.received) == 1


async def test_a_bus_that_breaks_in_between_says_nothing_before_it_is_certain(
    fragile_site: Cluster, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis answered the question for the owner, and is gone when the command is to be sent."""
    cluster = fragile_site
    charger = await cluster.charger(cluster.b)
    locate = cluster.a.presence.locate

    async def locate_and_lose(tenant_id: TenantId, identity: str) -> Any:
        found = await locate(tenant_id, identity)
        server.kill()
        return found

    monkeypatch.setattr(cluster.a.presence, "locate", locate_and_lose)
    with pytest.raises(Unavailable):
        await cluster.issue(cluster.a, charger)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        (command,) = await CommandStore(work).page(10)
    assert command.state == "queued"
    for _ in range(2):
        await cluster.b.reaper.reap()
        cluster.clock.advance(310)
    await cluster.b.reaper.reap()
    assert ((await cluster.command(command.id)).state, charger.received) == ("expired", [])


async def test_a_result_during_an_outage_of_the_database_is_recorded_afterwards(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    charger = await cluster.charger(cluster.b)
    owner = cluster.b.owner.endings
    record, failures = owner._record_end, iter(range(3))

    async def fail_three_times(ending: Any) -> None:
        if next(failures, None) is not None:
            raise StoreUnavailable
        await record(ending)

    monkeypatch.setattr(owner, "_record_end", fail_three_times)
    monkeypatch.setattr(endings, "_RETRY_S", 0.0)
    command = await cluster.issue(cluster.a, charger)
    assert (await cluster.end(cluster.a, command)).state == "accepted"


async def test_an_end_says_what_could_not_be_recorded_when_it_was_sent(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    charger = await cluster.charger(cluster.b)

    async def fail(*_: Any) -> bool:
        raise StoreUnavailable

    monkeypatch.setattr(CommandSteps, "sent", fail)
    ended = await cluster.issue(cluster.a, charger, wait_s=20)
    assert (ended.state, ended.worker, ended.epoch) == ("accepted", "b", charger.connection.epoch)
    assert ended.sent_at == cluster.clock.now()


@pytest.mark.parametrize(
    ("action", "answer", "writes"),
    [("Reset", None, 0), ("ClearChargingProfile", None, 1), ("Reset", silence, 1)],
    ids=["answered at once", "with effects", "not answered"],
)
async def test_sending_is_written_down_unless_the_end_says_it_at_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, action: str, answer: Any, writes: int
) -> None:
    charger = await (cluster.charger(cluster.a) if answer is None else cluster.charger(cluster.a, answer))
    written: list[UUID] = []
    sent = CommandSteps.sent

    async def count(steps: CommandSteps, command_id: UUID, facts: SentFacts) -> bool:
        written.append(command_id)
        return await sent(steps, command_id, facts)

    monkeypatch.setattr(CommandSteps, "sent", count)
    payload = RESET if action == "Reset" else "{}"
    command = await cluster.issue(cluster.a, charger, action, payload)
    if answer is None:
        await cluster.end(cluster.a, command)
    await charger.reported()
    assert written == [command.id] * writes
    assert (await cluster.command(command.id)).sent_at == cluster.clock.now()


@pytest.mark.parametrize("action", ["Reset", "ClearChargingProfile"], ids=["by itself", "with effects"])
async def test_an_end_whose_confirmation_was_lost_is_no_late_answer(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    charger = await cluster.charger(cluster.b)
    record, is_lost = cluster.b.owner.endings._record_end, [True]

    async def lose_once(ending: Any) -> None:
        await record(ending)
        if is_lost:
            is_lost.clear()
            raise StoreUnavailable

    monkeypatch.setattr(cluster.b.owner.endings, "_record_end", lose_once)
    monkeypatch.setattr(endings, "_RETRY_S", 0.0)
    payload = RESET if action == "Reset" else "{}"
    command = await cluster.issue(cluster.a, charger, action, payload, wait_s=20)
    await charger.reported()
    assert not is_lost
    assert (command.state, (await cluster.command(command.id)).late_result) == ("accepted", None)


async def test_a_full_link_ends_a_command_that_was_never_sent(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    charger = await cluster.charger(cluster.b)

    def refuse(*_: Any) -> None:
        raise ValueError("the queue is full")

    monkeypatch.setattr(charger, "issue", refuse)
    ended = await cluster.end(cluster.a, await cluster.issue(cluster.a, charger))
    assert (ended.state, ended.error) == (
        "expired",
        {"code": "NotQueued", "description": "the queue is full"},
    )
