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
from tests.support.live import SetClock
from tests.support.site import RESET, Site, received
from tests.support.workers import running_workers, silence


@pytest.mark.parametrize("owner", ["a", "b"])
async def test_a_command_reaches_the_socket_wherever_it_is(site: Site, owner: str) -> None:
    charger = await site.charger(getattr(site, owner))
    command = await site.issue(site.a, charger)
    ended = await site.end(site.a, command)
    assert (ended.state, ended.result, ended.worker) == ("accepted", {"status": "Accepted"}, owner)
    assert charger.received == [(str(command.id), "Reset", {"type": "Soft"})]
    assert ended.sent_at is not None
    assert ended.finished_at is not None


async def test_a_third_party_may_wait_as_well(site: Site) -> None:
    charger = await site.charger(site.b)
    command = await site.issue(site.b, charger)
    assert (await site.end(site.a, command)).state == "accepted"


@pytest.mark.parametrize("owner", ["a", "b"])
async def test_the_issuer_may_wait_at_once(site: Site, owner: str) -> None:
    charger = await site.charger(getattr(site, owner))
    ended = await site.issue(site.a, charger, wait_s=20)
    assert (ended.state, ended.worker, ended.epoch) == ("accepted", owner, charger.connection.epoch)
    assert ended.sent_at is not None
    assert ended == await site.command(ended.id)


async def test_a_repeated_request_waits_for_the_same_end(site: Site) -> None:
    charger = await site.charger(site.a, silence)
    first = await site.issue(site.a, charger, idempotency_key="k")
    again = asyncio.ensure_future(site.issue(site.a, charger, idempotency_key="k", wait_s=20))
    await received(charger)
    charger.reply(0, {"status": "Accepted"})
    assert ((await again).id, (await again).state) == (first.id, "accepted")
    assert len(charger.received) == 1


async def test_a_command_without_a_connection_is_offline_at_once(site: Site) -> None:
    point = await site.charge_point()
    command = await site.a.commands.issue(
        site.tenant_id, CommandRequest(point.identity, "Reset", RESET, "test")
    )
    assert (command.state, (await site.command(command.id)).state) == ("offline", "offline")


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
    site: Site, action: str, payload: str, answer: dict[str, Any], state: str
) -> None:
    charger = await site.charger(site.b, lambda *_: answer)
    command = await site.issue(site.a, charger, action, payload)
    assert (await site.end(site.a, command)).state == state


async def test_a_call_error_is_a_state_with_its_code(site: Site) -> None:
    charger = await site.charger(site.b, silence)
    command = await site.issue(site.a, charger)
    await received(charger)
    charger.say(f'[4,"{command.id}","NotSupported","no reset here",{{}}]')
    ended = await site.end(site.a, command)
    assert ended.state == "call_error"
    assert ended.error == {"code": "NotSupported", "description": "no reset here"}


async def test_a_late_answer_is_kept_and_satisfies_no_other(site: Site) -> None:
    charger = await site.charger(site.a, silence)
    first = await site.issue(site.a, charger, timeout_s=30)
    second = await site.issue(site.a, charger, timeout_s=30)
    site.clock.advance(31)
    charger.expire()
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    late = await site.command(first.id)
    assert late.state == "timed_out"
    assert late.late_result == {"state": "accepted", "result": {"status": "Accepted"}, "error": None}
    assert (await site.command(second.id)).state == "sent"
    charger.reply(1, {"status": "Rejected"})
    await charger.reported()
    assert (await site.command(second.id)).state == "rejected"


async def test_a_lost_socket_ends_what_was_sent_and_what_was_not(site: Site) -> None:
    charger = await site.charger(site.a, silence)
    commands = [await site.issue(site.a, charger) for _ in range(2)]
    await charger.disconnect()
    await charger.reported()
    assert [(await site.command(c.id)).state for c in commands] == ["connection_lost", "offline"]


async def test_an_end_before_the_wait_is_seen(site: Site) -> None:
    charger = await site.charger(site.a)
    command = await site.issue(site.a, charger)
    await charger.reported()
    assert (await site.a.commands.wait(site.tenant_id, command.id, 0)).state == "accepted"


async def test_a_wait_gives_up_and_returns_what_is(site: Site) -> None:
    charger = await site.charger(site.a, silence)
    command = await site.issue(site.a, charger)
    await charger.reported()
    assert (await site.a.commands.wait(site.tenant_id, command.id, 0)).state == "sent"


async def test_the_same_idempotency_key_sends_once(site: Site) -> None:
    charger = await site.charger(site.b)
    first = await site.issue(site.a, charger, idempotency_key="k1")
    again = await site.issue(site.a, charger, idempotency_key="k1")
    assert again.id == first.id
    await site.end(site.a, first)
    assert len(charger.received) == 1
    with pytest.raises(Conflict) as refused:
        await site.issue(site.a, charger, "Reset", '{"type":"Hard"}', idempotency_key="k1")
    assert refused.value.field == "Idempotency-Key"


async def test_what_breaks_a_rule_is_refused_with_its_pointer(site: Site) -> None:
    charger = await site.charger(site.a)
    with pytest.raises(InvalidInput) as refused:
        await site.issue(site.a, charger, "Reset", '{"type":"Later"}')
    assert [violation.pointer for violation in refused.value.violations] == ["/type"]
    with pytest.raises(NotFound):
        await site.issue(site.a, charger, "BootNotification", "{}")
    with pytest.raises(InvalidInput) as refused:
        await site.issue(site.a, charger, timeout_s=601)
    assert refused.value.field == "timeout_s"
    assert charger.received == []


async def test_an_unknown_charge_point_is_not_found(site: Site) -> None:
    with pytest.raises(NotFound):
        await site.a.commands.issue(site.tenant_id, CommandRequest("unknown", "Reset", RESET, "test"))
    with pytest.raises(NotFound):
        await site.a.commands.wait(site.tenant_id, UUID(int=1), 0)


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
    site: Site, status: RegistrationStatus, action: str, payload: str, permitted: bool
) -> None:
    record = await site.charge_point(status)
    charger = await site.a.connect(site.storage, record, silence)
    if permitted:
        await site.issue(site.a, charger, action, payload)
        await received(charger)
        return
    with pytest.raises(Conflict):
        await site.issue(site.a, charger, action, payload)
    async with site.database.tenant(site.tenant_id) as work:
        assert await CommandStore(work).page(10) == []


async def test_the_queue_is_bounded(
    redis_url: str, redis: Redis, storage: Storage, settings: Settings, tenant: TenantRecord
) -> None:
    small = settings.model_copy(update={"command_queue_limit": 2})
    clock = SetClock()
    async with running_workers(redis_url, storage, clock, small, "a", "b") as workers:
        site = Site(workers, storage, tenant, clock)
        charger = await site.charger(site.a, silence)
        await site.issue(site.a, charger)
        await charger.reported()
        for _ in range(2):
            await site.issue(site.a, charger)
        with pytest.raises(TooManyRequests):
            await site.issue(site.a, charger)


async def test_a_queued_command_can_be_cancelled_from_any_worker(site: Site) -> None:
    charger = await site.charger(site.b, silence)
    first = await site.issue(site.a, charger)
    second = await site.issue(site.a, charger)
    await received(charger)
    await charger.reported()
    assert (await site.a.commands.cancel(site.tenant_id, second.id)).state == "cancelled"
    with pytest.raises(Conflict):
        await site.a.commands.cancel(site.tenant_id, first.id)
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    assert [(await site.command(c.id)).state for c in (first, second)] == ["accepted", "cancelled"]
    assert len(charger.received) == 1
    with pytest.raises(Conflict):
        await site.b.commands.cancel(site.tenant_id, first.id)


async def test_a_command_that_waits_too_long_expires_and_is_never_sent(site: Site) -> None:
    charger = await site.charger(site.b, silence)
    first = await site.issue(site.a, charger, timeout_s=600)
    second = await site.issue(site.a, charger)
    await received(charger)
    await charger.reported()
    site.clock.advance(301)
    site.b.owner.withdraw_overdue()
    await charger.reported()
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    assert [(await site.command(c.id)).state for c in (first, second)] == ["accepted", "expired"]
    assert len(charger.received) == 1
