"""Commands that wait until their charge point connects, or for their time: sent once, or not at all."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.charge_points.records import ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.commands.records import CommandRecord, CommandRequest
from app.commands.store.reaper import LostCommandStore
from app.errors import Conflict, InvalidInput, NotFound, TooManyRequests, Unavailable
from app.live.command_bus import CommandBus
from app.types import TenantId
from tests.support.cluster import RESET, Cluster, received
from tests.support.workers import Charger, Worker, accept, silence

CLEAR = ("ClearCache", "{}")
SECRET = '{"location":"ftp://user:secret@example.org/x","retrieveDate":"2026-01-01T00:00:00Z"}'


async def queue(
    cluster: Cluster, point: ChargePointRecord, action: str = "Reset", payload: str = RESET, **more: Any
) -> CommandRecord:
    more.setdefault("when_offline", "queue")
    request = CommandRequest(point.identity, action, payload, "test", **more)
    # Commands of the same microsecond have no order.
    cluster.clock.advance(0.001)
    return await cluster.a.commands.issue(cluster.tenant_id, request)


def hits(limit: str) -> float:
    """Return how often a limit was reached."""
    return REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": limit}) or 0.0


async def log_in(cluster: Cluster, worker: Worker, point: ChargePointRecord, answer: Any = accept) -> Charger:
    charger = await worker.connect(cluster.storage, point, answer)
    await look(worker)
    return charger


async def look(worker: Worker) -> None:
    """Do what the tasks of a worker do, until nothing is left."""
    await worker.waiting.look_at_logins()
    await worker.waiting.sweep()
    await worker.commands.settle()


async def states(cluster: Cluster, *commands: CommandRecord) -> list[str]:
    return [(await cluster.command(command.id)).state for command in commands]


@pytest.mark.parametrize("worker", ["a", "b"])
async def test_a_command_waits_for_a_login_and_is_sent_once(cluster: Cluster, worker: str) -> None:
    point = await cluster.charge_point()
    command = await queue(cluster, point)
    assert (command.state, command.when_offline) == ("waiting", "queue")
    await look(cluster.a)
    charger = await log_in(cluster, getattr(cluster, worker), point)
    await charger.reported()
    ended = await cluster.command(command.id)
    assert (ended.state, ended.worker) == ("accepted", worker)
    await look(cluster.a)
    await look(cluster.b)
    assert charger.received == [(str(command.id), "Reset", {"type": "Soft"})]


async def test_a_connected_charge_point_gets_it_at_once(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    request = CommandRequest(charger.connection.identity, "Reset", RESET, "test", when_offline="queue")
    ended = await cluster.a.commands.issue(cluster.tenant_id, request, wait_s=20)
    assert (ended.state, len(charger.received)) == ("accepted", 1)


async def test_the_order_stays(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    first = await queue(cluster, point)
    second = await queue(cluster, point, *CLEAR)
    third = await queue(cluster, point)
    charger = await log_in(cluster, cluster.b, point, silence)
    await look(cluster.a)
    await received(charger)
    assert await states(cluster, second, third) == ["waiting", "waiting"]
    charger.answer = accept
    charger.reply(0, {"status": "Accepted"})
    await received(charger, 3)
    assert [call[0] for call in charger.received] == [str(one.id) for one in (first, second, third)]


async def test_two_workers_that_look_at_once_send_one_after_the_other(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    made = [await queue(cluster, point) for _ in range(4)]
    charger = await cluster.b.connect(cluster.storage, point, accept)
    workers = (cluster.a, cluster.b) * 4
    await asyncio.gather(*(w.waiting.look(cluster.tenant_id, point.id, point.identity) for w in workers))
    await received(charger, 4)
    await charger.reported()
    assert [call[0] for call in charger.received] == [str(one.id) for one in made]
    assert await states(cluster, *made) == ["accepted"] * 4


async def test_it_expires_while_the_charge_point_is_away(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    command = await queue(cluster, point, expires_in_s=60)
    cluster.clock.advance(61)
    charger = await log_in(cluster, cluster.b, point)
    assert await states(cluster, command) == ["expired"]
    assert charger.received == []
    kept = await queue(cluster, await cluster.charge_point(), expires_in_s=60)
    cluster.clock.advance(61)
    await cluster.a.waiting.sweep()
    assert await states(cluster, kept) == ["expired"]


async def test_a_cancelled_one_is_never_sent(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    command = await queue(cluster, point)
    cancelled = await cluster.b.commands.cancel(cluster.tenant_id, command.id)
    assert cancelled.state == "cancelled"
    charger = await log_in(cluster, cluster.a, point)
    assert charger.received == []
    again = await cluster.a.commands.cancel(cluster.tenant_id, command.id)
    assert again == cancelled


async def test_a_cancel_and_a_login_at_once_have_one_end(cluster: Cluster) -> None:
    for _ in range(5):
        point = await cluster.charge_point()
        command = await queue(cluster, point)
        charger = await cluster.b.connect(cluster.storage, point, accept)
        results = await asyncio.gather(
            cluster.a.commands.cancel(cluster.tenant_id, command.id),
            look(cluster.b),
            return_exceptions=True,
        )
        await charger.reported()
        await cluster.end(cluster.a, command)
        (state,) = await states(cluster, command)
        is_cancelled = isinstance(results[0], CommandRecord)
        assert (state, len(charger.received)) == (("cancelled", 0) if is_cancelled else ("accepted", 1))


async def test_a_command_that_was_not_sent_waits_for_the_next_login(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    charger = await log_in(cluster, cluster.b, point, silence)
    # The first CALL is out, so the next one waits in the link.
    await cluster.issue(cluster.a, charger)
    await received(charger)
    command = await queue(cluster, point)
    assert await states(cluster, command) == ["queued"]
    await charger.disconnect()
    await charger.reported()
    assert await states(cluster, command) == ["waiting"]
    again = await log_in(cluster, cluster.b, point)
    await received(again)
    await again.reported()
    assert await states(cluster, command) == ["accepted"]
    assert [call[0] for call in charger.received + again.received][1:] == [str(command.id)]


async def test_a_second_delivery_of_an_old_session_changes_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = await cluster.charge_point()
    envelopes: list[Any] = []
    deliver = CommandBus.deliver

    async def keep(bus: CommandBus, worker: Any, envelope: Any) -> None:
        envelopes.append(envelope)
        await deliver(bus, worker, envelope)

    monkeypatch.setattr(CommandBus, "deliver", keep)
    charger = await log_in(cluster, cluster.b, point, silence)
    await cluster.issue(cluster.a, charger)
    command = await queue(cluster, point)
    old = next(one for one in envelopes if getattr(one, "has_waited", False))
    await charger.disconnect()
    await charger.reported()
    again = await log_in(cluster, cluster.b, point, silence)
    await received(again)
    cluster.b.owner.call(old)
    await look(cluster.a)
    await look(cluster.b)
    await cluster.a.commands.settle()
    again.reply(0, {"status": "Accepted"})
    await again.reported()
    assert await states(cluster, command) == ["accepted"]
    assert len(again.received) == 1


async def test_a_worker_that_dies_after_the_taking_sends_nothing_twice(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = await cluster.charge_point()
    command, after = await queue(cluster, point), await queue(cluster, point, *CLEAR)
    charger = await cluster.b.connect(cluster.storage, point, accept)

    async def die(*_: Any) -> None:
        raise Unavailable("The worker has died.", "bus_unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(cluster.a.waiting, "_send", die)
        await cluster.a.waiting.look(cluster.tenant_id, point.id, point.identity)
    assert await states(cluster, command, after) == ["queued", "waiting"]
    await look(cluster.a)
    await look(cluster.b)
    assert charger.received == []
    for _ in range(2):
        await cluster.b.reaper.reap()
        cluster.clock.advance(311)
        await cluster.b.presence.renew()
    await cluster.b.reaper.reap()
    await look(cluster.b)
    await charger.reported()
    assert await states(cluster, command, after) == ["expired", "accepted"]
    assert [call[1] for call in charger.received] == ["ClearCache"]


async def test_a_caller_that_leaves_does_not_stop_what_was_taken(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = await cluster.charge_point()
    command = await queue(cluster, point)
    charger = await cluster.b.connect(cluster.storage, point, accept)
    is_taken, may_send = asyncio.Event(), asyncio.Event()
    send = cluster.a.waiting._send

    async def hesitate(*arguments: Any) -> None:
        is_taken.set()
        await may_send.wait()
        await send(*arguments)

    monkeypatch.setattr(cluster.a.waiting, "_send", hesitate)
    caller = asyncio.create_task(cluster.a.waiting.look(cluster.tenant_id, point.id, point.identity))
    await is_taken.wait()
    caller.cancel()
    await asyncio.wait({caller})
    may_send.set()
    await cluster.a.waiting.close()
    await received(charger)
    await charger.reported()
    assert await states(cluster, command) == ["accepted"]


async def test_the_worker_of_the_session_dies_with_a_taken_command(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = await cluster.charge_point()
    command = await queue(cluster, point)
    dead = await log_in(cluster, cluster.b, point, silence)
    await received(dead)
    dead.vanish()
    async with cluster.database.platform() as work:
        lost = await LostCommandStore(work).open_commands("a", ["a"])
        mine = [one for one in lost if one.id == command.id]
        await LostCommandStore(work).end(mine, "connection_lost", cluster.clock.now())
    again = await log_in(cluster, cluster.a, point)
    await look(cluster.a)
    assert await states(cluster, command) == ["connection_lost"]
    assert again.received == []


@pytest.mark.parametrize(
    ("status", "action", "payload", "is_sent"),
    [
        ("Rejected", "Reset", RESET, False),
        ("Pending", "RemoteStartTransaction", '{"idTag":"A"}', False),
        ("Pending", "Reset", RESET, True),
    ],
)
async def test_a_registration_that_forbids_it_lets_it_wait(
    cluster: Cluster, status: Any, action: str, payload: str, is_sent: bool
) -> None:
    point = await cluster.charge_point(status)
    command = await queue(cluster, point, action, payload)
    charger = await log_in(cluster, cluster.b, point)
    assert (await states(cluster, command)) == (["accepted"] if is_sent else ["waiting"])
    async with cluster.database.tenant(cluster.tenant_id) as work:
        await ChargePointStore(work).update(point.identity, registration_status="Accepted")
    cluster.clock.advance(16)
    await look(cluster.a)
    await received(charger)
    await charger.reported()
    assert (await states(cluster, command), len(charger.received)) == (["accepted"], 1)


async def test_what_is_forbidden_at_its_time_and_must_not_wait_expires(cluster: Cluster) -> None:
    point = await cluster.charge_point("Rejected")
    await log_in(cluster, cluster.b, point)
    later = cluster.clock.now() + timedelta(seconds=60)
    command = await queue(cluster, point, when_offline=None, not_before=later)
    cluster.clock.advance(61)
    await look(cluster.a)
    ended = await cluster.command(command.id)
    assert ended.error is not None
    assert (ended.state, ended.error["code"]) == ("expired", "NotRegistered")


async def test_a_charge_point_that_was_deleted_takes_its_commands_with_it(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    command = await queue(cluster, point)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        assert await ChargePointStore(work).delete(point.identity)
    await cluster.a.waiting.look(cluster.tenant_id, point.id, point.identity)
    await look(cluster.a)
    with pytest.raises(NotFound):
        await cluster.a.commands.get(cluster.tenant_id, command.id)


@pytest.mark.parametrize(("when_offline", "state"), [(None, "offline"), ("queue", "waiting")])
async def test_a_scheduled_command_goes_out_at_its_time(
    cluster: Cluster, when_offline: Any, state: str
) -> None:
    later = cluster.clock.now() + timedelta(seconds=60)
    here, away = await cluster.charge_point(), await cluster.charge_point()
    charger = await log_in(cluster, cluster.b, here)
    command = await queue(cluster, here, when_offline=when_offline, not_before=later)
    other = await queue(cluster, away, when_offline=when_offline, not_before=later)
    await look(cluster.b)
    assert charger.received == []
    cluster.clock.advance(61)
    await look(cluster.b)
    await received(charger)
    await charger.reported()
    assert await states(cluster, command, other) == ["accepted", state]


async def test_a_secret_is_sent_but_not_shown(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    command = await queue(cluster, point, "UpdateFirmware", SECRET)
    assert "secret" not in str(command.payload)
    async with cluster.database.platform() as work:
        row = (
            await work.connection.execute(
                text("select commands::text from commands where id = :id"), {"id": command.id}
            )
        ).scalar_one()
    assert "secret" not in row
    charger = await log_in(cluster, cluster.b, point, lambda *_: {})
    await received(charger)
    assert charger.received[0][2]["location"] == "ftp://user:secret@example.org/x"


async def test_an_idempotency_key_finds_the_one_that_waits(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    first = await queue(cluster, point, idempotency_key="k")
    assert (await queue(cluster, point, idempotency_key="k")).id == first.id
    with pytest.raises(Conflict):
        await queue(cluster, point, idempotency_key="k", expires_in_s=60)
    with pytest.raises(Conflict):
        await queue(cluster, point, idempotency_key="k", when_offline=None)


async def test_a_line_is_bounded(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    limit = cluster.a.waiting._context.settings.command_waiting_limit
    for _ in range(limit):
        await queue(cluster, point)
    before = hits("command_waiting")
    with pytest.raises(TooManyRequests):
        await queue(cluster, point)
    assert hits("command_waiting") == before + 1


async def test_another_tenant_sees_nothing_of_it(cluster: Cluster) -> None:
    command = await queue(cluster, await cluster.charge_point())
    with pytest.raises(NotFound):
        await cluster.a.commands.cancel(TenantId(cluster.tenant_id + 1), command.id)


async def test_a_repeated_request_is_known_after_its_time(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    expires_at = cluster.clock.now() + timedelta(seconds=60)
    terms: dict[str, Any] = {"expires_at": expires_at, "idempotency_key": f"k-{point.id}"}
    first = await queue(cluster, point, **terms)
    cluster.clock.advance(120)
    assert (await queue(cluster, point, **terms)).id == first.id
    with pytest.raises(InvalidInput):
        await queue(cluster, point, **{**terms, "idempotency_key": "another"})
