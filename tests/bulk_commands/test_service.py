"""Bulks of commands: bounded, durable, cancelled, and never half recorded."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bulk_commands.records import BulkRequest
from app.bulk_commands.rules import in_body, is_over, room, state_of
from app.bulk_commands.runner import BulkRunner
from app.bulk_commands.service import BulkCommandService
from app.bulk_commands.store import BulkStore
from app.charge_points.records import ChargePointFilter, ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.commands.endings import CommandEnding
from app.commands.records import CommandFilter, CommandRecord, CommandRequest
from app.commands.rules import Outcome
from app.commands.store import waiting
from app.commands.store.commands import CommandStore
from app.commands.store.waiting import WaitingStore
from app.errors import Conflict, FieldViolation, InvalidInput, NotFound, TooManyRequests
from app.settings import Settings
from app.types import TenantId
from tests.support.cluster import RESET, Cluster, received
from tests.support.protocol import OCPP16
from tests.support.workers import Charger, Worker, silence


def bulks_of(cluster: Cluster, worker: Worker, **changes: Any) -> BulkCommandService:
    settings: Settings = worker.waiting._context.settings.model_copy(update=changes)
    return BulkCommandService(cluster.database, worker.commands, OCPP16, cluster.clock, settings)


def request_of(targets: Any, action: str = "Reset", payload: str = RESET, **more: Any) -> BulkRequest:
    command = CommandRequest("", action, payload, "test", **more)
    if isinstance(targets, ChargePointFilter):
        return BulkRequest(command, targets, {"prefix": targets.identity_prefix})
    return BulkRequest(command, tuple(targets))


async def chargers(cluster: Cluster, number: int, answer: Any = None) -> list[Charger]:
    workers = (cluster.a, cluster.b)
    made = [await cluster.charger(workers[place % 2]) for place in range(number)]
    for charger in made:
        charger.answer = answer or charger.answer
    return made


def names(found: list[Charger]) -> list[str]:
    return [charger.connection.identity for charger in found]


async def run(cluster: Cluster, *services: BulkCommandService, times: int = 3) -> None:
    """Do what the tasks of workers do."""
    for _ in range(times):
        await asyncio.gather(*(BulkRunner(service).sweep() for service in services))
        for worker in (cluster.a, cluster.b):
            await worker.commands.settle()
        cluster.clock.advance(2)


async def commands_of(cluster: Cluster, bulk_id: UUID) -> list[CommandRecord]:
    async with cluster.database.tenant(cluster.tenant_id) as work:
        return await CommandStore(work).page(100, filters=CommandFilter(bulk_id=bulk_id))


async def test_each_charge_point_gets_it_once_with_two_workers(cluster: Cluster) -> None:
    found = await chargers(cluster, 6)
    services = (bulks_of(cluster, cluster.a), bulks_of(cluster, cluster.b))
    bulk = await services[0].issue(cluster.tenant_id, request_of(names(found)))
    assert (bulk.counts, bulk.record.total, state_of(bulk)) == ({"waiting": 6}, 6, "running")
    await run(cluster, *services)
    for charger in found:
        await received(charger)
        await charger.reported()
    await run(cluster, *services, times=6)
    ended = await services[1].get(cluster.tenant_id, bulk.record.id)
    assert (ended.counts, state_of(ended)) == ({"accepted": 6}, "ended")
    assert [len(charger.received) for charger in found] == [1] * 6


async def test_only_some_are_under_way_at_the_same_time(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await chargers(cluster, 5, silence)
    services = [bulks_of(cluster, worker, command_bulk_concurrency=2) for worker in (cluster.a, cluster.b)]
    for worker, service in zip((cluster.a, cluster.b), services, strict=True):
        monkeypatch.setattr(
            worker.waiting, "_context", _with_settings(worker.waiting._context, service.settings)
        )
    bulk = await services[0].issue(cluster.tenant_id, request_of(names(found)))
    await run(cluster, *services)
    for charger in found:
        # Whatever asks for its line, the bulk stays within its bound.
        point = charger.connection
        await cluster.a.waiting.look(cluster.tenant_id, point.charge_point_id, point.identity)
    counts = (await services[0].get(cluster.tenant_id, bulk.record.id)).counts
    assert (counts["waiting"], sum(counts.values())) == (3, 5)
    first = next(charger for charger in found if charger.received)
    first.reply(0, {"status": "Accepted"})
    await first.reported()
    await run(cluster, *services)
    counts = (await services[0].get(cluster.tenant_id, bulk.record.id)).counts
    assert (counts["accepted"], counts["waiting"]) == (1, 2)


def _with_settings(context: Any, settings: Settings) -> Any:
    return type(context)(
        context.database,
        context.steps,
        context.bus,
        context.effects,
        context.protocol,
        context.clock,
        settings,
        context.waiters,
        context.background,
    )


async def test_it_goes_on_after_the_worker_that_issued_it_has_died(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    dead, alive = bulks_of(cluster, cluster.a), bulks_of(cluster, cluster.b)
    bulk = await dead.issue(cluster.tenant_id, request_of(names([charger])))
    await run(cluster, alive)
    await charger.reported()
    assert (await alive.get(cluster.tenant_id, bulk.record.id)).counts == {"accepted": 1}


@pytest.mark.parametrize(("when_offline", "state"), [(None, "offline"), ("queue", "waiting")])
async def test_those_that_are_away_end_or_wait(cluster: Cluster, when_offline: Any, state: str) -> None:
    point = await cluster.charge_point()
    service = bulks_of(cluster, cluster.a)
    request = request_of([point.identity], when_offline=when_offline or "fail")
    bulk = await service.issue(cluster.tenant_id, request)
    await run(cluster, service)
    assert (await service.get(cluster.tenant_id, bulk.record.id)).counts == {state: 1}
    charger = await cluster.b.connect(cluster.storage, point, lambda *_: {"status": "Rejected"})
    await cluster.b.waiting.look_at_logins()
    await charger.reported()
    counts = (await service.get(cluster.tenant_id, bulk.record.id)).counts
    assert counts == {"rejected" if state == "waiting" else "offline": 1}


async def test_a_cancel_stops_what_was_not_sent(cluster: Cluster) -> None:
    found = await chargers(cluster, 2, silence)
    away = await cluster.charge_point()
    service = bulks_of(cluster, cluster.a)
    identities = [*names(found[:1]), away.identity]
    bulk = await service.issue(cluster.tenant_id, request_of(identities, when_offline="queue"))
    await run(cluster, service)
    await received(found[0])
    cancelled = await service.cancel(cluster.tenant_id, bulk.record.id)
    assert (state_of(cancelled), cancelled.counts.get("cancelled")) == ("cancelled", 1)
    found[0].reply(0, {"status": "Accepted"})
    await found[0].reported()
    again = await service.cancel(cluster.tenant_id, bulk.record.id)
    assert again.counts == {"accepted": 1, "cancelled": 1}
    assert again.record.cancelled_at == cancelled.record.cancelled_at
    await run(cluster, service)
    assert (await service.get(cluster.tenant_id, bulk.record.id)).record.ended_at is not None


async def test_a_filter_finds_its_charge_points_once(cluster: Cluster) -> None:
    async with cluster.database.tenant(cluster.tenant_id) as work:
        points = [await ChargePointStore(work).create(f"F-{number}") for number in range(3)]
    service = bulks_of(cluster, cluster.a)
    filters = ChargePointFilter(identity_prefix="F-")
    bulk = await service.issue(cluster.tenant_id, request_of(filters))
    made = await commands_of(cluster, bulk.record.id)
    assert {command.identity for command in made} == {point.identity for point in points}
    assert bulk.record.filter == {"prefix": "F-"}
    before = REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": "command_bulk"}) or 0.0
    for changes, pointer in (({}, "not_found"), ({"command_bulk_limit": 2}, "too_many")):
        wanted = ChargePointFilter(identity_prefix="none" if pointer == "not_found" else "F-")
        with pytest.raises(InvalidInput) as refused:
            await bulks_of(cluster, cluster.a, **changes).issue(cluster.tenant_id, request_of(wanted))
        assert [(v.pointer, v.code) for v in refused.value.violations] == [("/filter", pointer)]
    after = REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": "command_bulk"})
    assert after == before + 1


async def test_a_deleted_charge_point_takes_its_command_with_it(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    service = bulks_of(cluster, cluster.a)
    bulk = await service.issue(cluster.tenant_id, request_of([point.identity], when_offline="queue"))
    async with cluster.database.tenant(cluster.tenant_id) as work:
        await ChargePointStore(work).delete(point.identity)
    await run(cluster, service)
    ended = await service.get(cluster.tenant_id, bulk.record.id)
    assert (ended.counts, ended.record.total, state_of(ended)) == ({}, 1, "ended")


async def _refused(cluster: Cluster, request: BulkRequest, **changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        await bulks_of(cluster, cluster.a, **changes).issue(cluster.tenant_id, request)
    return [(found.pointer, found.code) for found in refused.value.violations]


async def test_what_cannot_be_sent_to_all_is_sent_to_none(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    known = point.identity
    assert await _refused(cluster, request_of([known, "NO-SUCH"])) == [("/charge_points/1", "not_found")]
    assert await _refused(cluster, request_of([known, known])) == [("/charge_points/1", "duplicate")]
    assert await _refused(cluster, request_of([known, "B"]), command_bulk_limit=1) == [
        ("/charge_points", "too_many")
    ]
    ((pointer, _),) = await _refused(cluster, request_of([known], payload='{"type":"Warm"}'))
    assert pointer == "/payload/type"
    assert await _refused(cluster, request_of([known], timeout_s=1e6)) == [("/timeout_s", "out_of_range")]
    key = '{"key":"AuthorizationKey","value":"00112233445566778899aabbccddeeff00112233"}'
    request = request_of([known], "ChangeConfiguration", key)
    assert await _refused(cluster, request) == [("/payload/key", "cannot_wait")]
    async with cluster.database.tenant(cluster.tenant_id) as work:
        assert await CommandStore(work).page(10, filters=CommandFilter(identity=known)) == []
    assert await bulks_of(cluster, cluster.a).page(cluster.tenant_id, 10, None) == []


async def test_a_full_line_refuses_the_whole_bulk(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    points: list[ChargePointRecord] = [await cluster.charge_point() for _ in range(2)]
    service = bulks_of(cluster, cluster.a, command_waiting_limit=1)
    await service.issue(cluster.tenant_id, request_of([points[0].identity], when_offline="queue"))
    with pytest.raises(TooManyRequests):
        await service.issue(cluster.tenant_id, request_of([point.identity for point in points]))
    async with cluster.database.tenant(cluster.tenant_id) as work:
        filters = CommandFilter(identity=points[1].identity)
        assert await CommandStore(work).page(10, filters=filters) == []


async def test_an_idempotency_key_gives_the_same_bulk(cluster: Cluster) -> None:
    point = await cluster.charge_point()
    services = (bulks_of(cluster, cluster.a), bulks_of(cluster, cluster.b))
    request = request_of([point.identity], idempotency_key="bulk-1")
    made = await asyncio.gather(*(s.issue(cluster.tenant_id, request) for s in services * 3))
    assert len({bulk.record.id for bulk in made}) == 1
    assert len(await commands_of(cluster, made[0].record.id)) == 1
    other = await cluster.charge_point()
    for changed in (
        request_of([point.identity, other.identity], idempotency_key="bulk-1"),
        request_of([point.identity], payload='{"type":"Hard"}', idempotency_key="bulk-1"),
    ):
        with pytest.raises(Conflict):
            await services[0].issue(cluster.tenant_id, changed)


async def test_another_tenant_has_no_such_bulk(cluster: Cluster) -> None:
    service = bulks_of(cluster, cluster.a)
    bulk = await service.issue(cluster.tenant_id, request_of([(await cluster.charge_point()).identity]))
    stranger = TenantId(cluster.tenant_id + 1)
    for act in (service.get, service.cancel):
        with pytest.raises(NotFound):
            await act(stranger, bulk.record.id)


def test_progress_is_decided_without_a_database() -> None:
    assert is_over({"accepted": 3, "offline": 1})
    assert not is_over({"accepted": 3, "waiting": 1})
    assert (room({"queued": 1, "sent": 2}, 5), room({"sent": 9}, 5)) == (2, 0)
    refusal = in_body(InvalidInput([FieldViolation("", "x", "y"), FieldViolation("expires_in", "x", "y")]))
    assert [found.pointer for found in refusal.violations] == ["/payload", "/expires_in"]


@pytest.mark.parametrize(("is_cancelled", "state"), [(True, "cancelled"), (False, "waiting")])
async def test_what_was_taken_but_not_sent_does_not_wait_again_after_a_cancel(
    cluster: Cluster, is_cancelled: bool, state: str
) -> None:
    point = await cluster.charge_point()
    service = bulks_of(cluster, cluster.a)
    request = request_of([point.identity], when_offline="queue")
    bulk_id = (await service.issue(cluster.tenant_id, request)).record.id
    (command,) = await commands_of(cluster, bulk_id)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        # Its worker does not answer the request to cancel.
        await WaitingStore(work).take(command.id, "worker-away", 7)
        if is_cancelled:
            await BulkStore(work).cancel(bulk_id, cluster.clock.now())
            await WaitingStore(work).cancel_bulk(bulk_id, cluster.clock.now())
    ended = CommandEnding(cluster.tenant_id, str(command.id), Outcome("offline"), "owner", unsent_epoch=7)
    await cluster.a.waiting._owner.endings.record(ended)
    (command,) = await commands_of(cluster, bulk_id)
    assert (command.state, command.finished_at is not None) == (state, is_cancelled)


async def test_a_page_counts_all_its_bulks_with_one_statement(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [await cluster.charge_point() for _ in range(3)]
    service = bulks_of(cluster, cluster.a)
    made = [
        await service.issue(
            cluster.tenant_id, request_of([point.identity for point in points[:number]], when_offline="queue")
        )
        for number in (1, 2, 3)
    ]
    executed: list[Any] = []
    execute = AsyncConnection.execute

    async def counted(connection: AsyncConnection, *values: Any, **named: Any) -> Any:
        executed.append(values[0])
        return await execute(connection, *values, **named)

    monkeypatch.setattr(AsyncConnection, "execute", counted)
    page = await service.page(cluster.tenant_id, 10, None)
    found = {bulk.record.id: bulk.counts for bulk in page}
    assert [found[bulk.record.id] for bulk in made] == [{"waiting": number} for number in (1, 2, 3)]
    assert sum("count(*)" in str(statement) for statement in executed) == 1


async def test_the_active_commands_of_a_bulk_are_counted_by_their_index(cluster: Cluster) -> None:
    point, bulk_id = await cluster.charge_point(), uuid4()
    values = {"tenant_id": cluster.tenant_id, "bulk_id": bulk_id}
    async with cluster.database._engine.connect() as connection:
        await connection.execute(
            text(
                """
                insert into commands (tenant_id, id, charge_point_id, bulk_id, action, payload, state,
                    created_at, deadline_at, timeout_s, issued_by)
                select :tenant_id, gen_random_uuid(), :point,
                    cast(md5(cast(place % 100 as text)) as uuid), 'ClearCache', '{}',
                    case when place <= 10000 then 'accepted' else 'sent' end, now(), now(), 30, 'test'
                from generate_series(1, 12000) as place
                """
            ),
            {"tenant_id": cluster.tenant_id, "point": point.id},
        )
        await connection.execute(text("analyze commands"))
        rows = await connection.execute(text(f"explain {waiting._ACTIVE_OF_BULK.text}"), values)
        assert "ix_commands_bulk_active" in "\n".join(rows.scalars())
        await connection.rollback()


async def test_a_repeated_bulk_is_known_after_its_time(cluster: Cluster) -> None:
    point, service = await cluster.charge_point(), bulks_of(cluster, cluster.a)
    terms: dict[str, Any] = {
        "when_offline": "queue",
        "expires_at": cluster.clock.now() + timedelta(seconds=60),
    }
    request = request_of([point.identity], idempotency_key=f"k-{point.id}", **terms)
    first = await service.issue(cluster.tenant_id, request)
    cluster.clock.advance(120)
    assert (await service.issue(cluster.tenant_id, request)).record.id == first.record.id
    with pytest.raises(InvalidInput) as refused:
        await service.issue(
            cluster.tenant_id, request_of([point.identity], idempotency_key="another", **terms)
        )
    assert refused.value.violations[0].pointer == "/expires_at"
