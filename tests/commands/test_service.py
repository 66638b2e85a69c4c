"""One command, from its request to its end: real Redis, PostgreSQL and link; charge points are scripted."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from app.commands.records import CommandRequest
from app.commands.store.commands import CommandStore
from app.errors import Conflict, InvalidInput, NotFound, TooManyRequests
from app.ocpp.v16 import RegistrationStatus
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from tests.support.cluster import RESET, Cluster, received
from tests.support.live import SetClock
from tests.support.workers import running_workers, silence


@pytest.mark.parametrize("owner", ["a", "b"])
async def test_a_command_reaches_the_socket_wherever_it_is(cluster: Cluster, owner: str) -> None:
    charger = await cluster.charger(getattr(cluster, owner))
    command = await cluster.issue(cluster.a, charger)
    ended = await cluster.end(cluster.a, command)
    assert (ended.state, ended.result, ended.worker) == ("accepted", {"status": "Accepted"}, owner)
    assert charger.received == [(str(command.id), "Reset", {"type": "Soft"})]
    assert ended.sent_at is not None
    assert ended.finished_at is not None


async def test_a_third_party_may_wait_as_well(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    command = await cluster.issue(cluster.b, charger)
    assert (await cluster.end(cluster.a, command)).state == "accepted"


@pytest.mark.parametrize("owner", ["a", "b"])
async def test_the_issuer_may_wait_at_once(cluster: Cluster, owner: str) -> None:
    charger = await cluster.charger(getattr(cluster, owner))
    ended = await cluster.issue(cluster.a, charger, wait_s=20)
    assert (ended.state, ended.worker, ended.epoch) == ("accepted", owner, charger.connection.epoch)
    assert ended.sent_at is not None
    assert ended == await cluster.command(ended.id)


async def test_a_repeated_request_waits_for_the_same_end(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.a, silence)
    first = await cluster.issue(cluster.a, charger, idempotency_key="k")
    again = asyncio.ensure_future(cluster.issue(cluster.a, charger, idempotency_key="k", wait_s=20))
    await received(charger)
    charger.reply(0, {"status": "Accepted"})
    assert ((await again).id, (await again).state) == (first.id, "accepted")
    assert len(charger.received) == 1


async def test_a_command_without_a_connection_is_offline_at_once(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    command = await cluster.a.commands.issue(
        cluster.tenant_id, CommandRequest(point.identity, "Reset", RESET, "test")
    )
    assert (command.state, (await cluster.command(command.id)).state) == ("offline", "offline")


@pytest.mark.parametrize(
    ("action", "payload", "answer", "state"),
    [
        ("Reset", RESET, {"status": "Rejected"}, "rejected"),
        ("ChangeAvailability", '{"connectorId":0,"type":"Operative"}', {"status": "Scheduled"}, "accepted"),
        ("UnlockConnector", '{"connectorId":1}', {"status": "Unlocked"}, "accepted"),
        ("UnlockConnector", '{"connectorId":1}', {"status": "NotSupported"}, "rejected"),
        ("GetConfiguration", "{}", {"configurationKey": []}, "accepted"),
        ("GetConfiguration", "", {"unknownKey": ["x"]}, "accepted"),
        ("Reset", RESET, {}, "call_error"),
    ],
)
async def test_what_the_charge_point_says_decides(
    cluster: Cluster, action: str, payload: str, answer: dict[str, Any], state: str
) -> None:
    charger = await cluster.charger(cluster.b, lambda *_: answer)
    command = await cluster.issue(cluster.a, charger, action, payload)
    assert (await cluster.end(cluster.a, command)).state == state


async def test_a_call_error_is_a_state_with_its_code(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b, silence)
    command = await cluster.issue(cluster.a, charger)
    await received(charger)
    charger.say(f'[4,"{command.id}","NotSupported","no reset here",{{}}]')
    ended = await cluster.end(cluster.a, command)
    assert ended.state == "call_error"
    assert ended.error == {"code": "NotSupported", "description": "no reset here"}


@pytest.mark.parametrize("answer", ['[3,"{}",{{"configurationKey":[]', '[4,"{}"]', '[3,"{}"'])
async def test_a_damaged_answer_ends_its_command_and_lets_the_next_one_out(
    cluster: Cluster, answer: str
) -> None:
    charger = await cluster.charger(cluster.b, silence)
    first = await cluster.issue(cluster.a, charger, "GetConfiguration", "{}")
    second = await cluster.issue(cluster.a, charger)
    await received(charger)
    charger.say(text := answer.format(first.id))
    await received(charger, 2)
    ended = await cluster.end(cluster.a, first)
    assert ended.error is not None
    assert (ended.state, ended.error["code"], ended.error["text"]) == (
        "call_error",
        "unreadable_answer",
        text,
    )
    charger.reply(1, {"status": "Accepted"})
    assert (await cluster.end(cluster.a, second)).state == "accepted"


async def test_a_late_answer_is_kept_and_satisfies_no_other(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.a, silence)
    first = await cluster.issue(cluster.a, charger, timeout_s=30)
    second = await cluster.issue(cluster.a, charger, timeout_s=30)
    cluster.clock.advance(31)
    charger.expire()
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    late = await cluster.command(first.id)
    assert late.state == "timed_out"
    assert late.late_result == {"state": "accepted", "result": {"status": "Accepted"}, "error": None}
    assert (await cluster.command(second.id)).state == "sent"
    charger.reply(1, {"status": "Rejected"})
    await charger.reported()
    assert (await cluster.command(second.id)).state == "rejected"


async def test_a_lost_socket_ends_what_was_sent_and_what_was_not(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.a, silence)
    commands = [await cluster.issue(cluster.a, charger) for _ in range(2)]
    await charger.disconnect()
    await charger.reported()
    assert [(await cluster.command(c.id)).state for c in commands] == ["connection_lost", "offline"]


async def test_an_end_before_the_wait_is_seen(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.a)
    command = await cluster.issue(cluster.a, charger)
    await charger.reported()
    assert (await cluster.a.commands.wait(cluster.tenant_id, command.id, 0)).state == "accepted"


async def test_a_wait_gives_up_and_returns_what_is(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.a, silence)
    command = await cluster.issue(cluster.a, charger)
    await charger.reported()
    assert (await cluster.a.commands.wait(cluster.tenant_id, command.id, 0)).state == "sent"


async def test_the_same_idempotency_key_sends_once(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    first = await cluster.issue(cluster.a, charger, idempotency_key="k1")
    again = await cluster.issue(cluster.a, charger, idempotency_key="k1")
    assert again.id == first.id
    await cluster.end(cluster.a, first)
    assert len(charger.received) == 1
    with pytest.raises(Conflict) as refused:
        await cluster.issue(cluster.a, charger, "Reset", '{"type":"Hard"}', idempotency_key="k1")
    assert refused.value.field == "Idempotency-Key"


async def test_what_breaks_a_rule_is_refused_with_its_pointer(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.a)
    with pytest.raises(InvalidInput) as refused:
        await cluster.issue(cluster.a, charger, "Reset", '{"type":"Later"}')
    assert [violation.pointer for violation in refused.value.violations] == ["/type"]
    with pytest.raises(NotFound, match=r"There is no OCPP 1\.6 command 'resett'\. Did you mean Reset\?"):
        await cluster.issue(cluster.a, charger, "resett", "{}")
    with pytest.raises(NotFound, match="command 'BootNotification'"):
        await cluster.issue(cluster.a, charger, "BootNotification", "{}")
    with pytest.raises(InvalidInput) as refused:
        await cluster.issue(cluster.a, charger, timeout_s=601)
    assert refused.value.field == "timeout_s"
    assert charger.received == []


async def test_an_unknown_charge_point_is_not_found(cluster: Cluster) -> None:
    with pytest.raises(NotFound, match="There is no charge point 'unknown'"):
        await cluster.a.commands.issue(cluster.tenant_id, CommandRequest("unknown", "Reset", RESET, "test"))
    with pytest.raises(NotFound):
        await cluster.a.commands.wait(cluster.tenant_id, UUID(int=1), 0)


@pytest.mark.parametrize(
    ("status", "action", "payload", "permitted"),
    [
        ("Pending", "RemoteStartTransaction", '{"idTag":"T"}', False),
        ("Pending", "RemoteStopTransaction", '{"transactionId":1}', False),
        ("Pending", "GetConfiguration", "{}", True),
        ("Rejected", "GetConfiguration", "{}", False),
        ("Accepted", "RemoteStartTransaction", '{"idTag":"T"}', True),
    ],
)
async def test_the_registration_decides_what_may_be_sent(
    cluster: Cluster, status: RegistrationStatus, action: str, payload: str, permitted: bool
) -> None:
    record = await cluster.charge_point(status)
    charger = await cluster.a.connect(cluster.storage, record, silence)
    if permitted:
        await cluster.issue(cluster.a, charger, action, payload)
        await received(charger)
        return
    with pytest.raises(Conflict):
        await cluster.issue(cluster.a, charger, action, payload)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        assert await CommandStore(work).page(10) == []


async def test_the_queue_is_bounded(
    redis_url: str, redis: Redis, storage: Storage, settings: Settings, tenant: TenantRecord
) -> None:
    small = settings.model_copy(update={"command_queue_limit": 2})
    clock = SetClock()
    async with running_workers(redis_url, storage, clock, small, "a", "b") as workers:
        cluster = Cluster(workers, storage, tenant, clock)
        charger = await cluster.charger(cluster.a, silence)
        await cluster.issue(cluster.a, charger)
        await charger.reported()
        for _ in range(2):
            await cluster.issue(cluster.a, charger)
        with pytest.raises(TooManyRequests):
            await cluster.issue(cluster.a, charger)


async def test_a_queued_command_can_be_cancelled_from_any_worker(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b, silence)
    first = await cluster.issue(cluster.a, charger)
    second = await cluster.issue(cluster.a, charger)
    await received(charger)
    await charger.reported()
    assert (await cluster.a.commands.cancel(cluster.tenant_id, second.id)).state == "cancelled"
    with pytest.raises(Conflict):
        await cluster.a.commands.cancel(cluster.tenant_id, first.id)
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    assert [(await cluster.command(c.id)).state for c in (first, second)] == ["accepted", "cancelled"]
    assert len(charger.received) == 1
    with pytest.raises(Conflict):
        await cluster.b.commands.cancel(cluster.tenant_id, first.id)


async def test_a_command_that_waits_too_long_expires_and_is_never_sent(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b, silence)
    first = await cluster.issue(cluster.a, charger, timeout_s=600)
    second = await cluster.issue(cluster.a, charger)
    await received(charger)
    await charger.reported()
    cluster.clock.advance(301)
    cluster.b.owner.withdraw_overdue()
    await charger.reported()
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    assert [(await cluster.command(c.id)).state for c in (first, second)] == ["accepted", "expired"]
    assert len(charger.received) == 1
