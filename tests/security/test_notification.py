"""SecurityEventNotification over a real socket: stored before its answer, once, whatever it says."""

import asyncio
from typing import Any

import pytest

from app.errors import NotFound, StoreUnavailable
from app.security.event_batcher import EventBatcher
from app.security.records import NewSecurityEvent, SecurityAlarmFilter, SecurityEventFilter
from app.security.rules import reported_event
from app.security.service import SecurityEventService
from app.tenants.store import TenantStore
from app.types import TenantId
from tests.support.gateway import GatewayServer
from tests.support.raw_client import RawClient
from tests.support.session_harness import SessionHarness

ACTION = "SecurityEventNotification"
EVENT = {"type": "TamperDetectionActivated", "timestamp": "2026-01-01T10:00:00Z", "techInfo": "cover"}


@pytest.fixture
async def charger(server: GatewayServer) -> RawClient:
    await server.register("CP1")
    return await server.connect("CP1")


def service_of(server: GatewayServer) -> SecurityEventService:
    found: SecurityEventService = server.app.state.services.get(SecurityEventService)
    return found


async def events(server: GatewayServer, **filters: Any) -> list[Any]:
    filters.setdefault("source", "charge_point")
    tenant_id = TenantId(server.tenant.id)
    return list(await service_of(server).events(tenant_id, 100, None, SecurityEventFilter(**filters)))


async def alarms(server: GatewayServer, **filters: Any) -> list[Any]:
    rows, _ = await service_of(server).alarms(
        TenantId(server.tenant.id), 100, None, SecurityAlarmFilter(**filters)
    )
    return list(rows)


async def test_an_event_is_stored_and_a_critical_one_raises_an_alarm(
    server: GatewayServer, charger: RawClient
) -> None:
    assert (await charger.call(ACTION, EVENT))[:3] == [3, "1", {}]
    (event,) = await events(server)
    assert (event["identity"], event["type"], event["tech_info"]) == ("CP1", EVENT["type"], "cover")
    assert (event["critical"], event["is_time_plausible"], event["copies"]) == (True, True, 1)
    (alarm,) = await alarms(server)
    assert (alarm["type"], alarm["count"], alarm["first_event_id"]) == (EVENT["type"], 1, event["id"])


async def test_a_repeat_under_the_same_id_gets_the_same_answer_and_no_row(
    server: GatewayServer, charger: RawClient
) -> None:
    first = await charger.call(ACTION, EVENT, "same")
    assert await charger.call(ACTION, EVENT, "same") == first
    (event,) = await events(server)
    # The core repeated the answer. The handler was not asked.
    assert event["copies"] == 1


async def test_a_repeat_under_another_id_or_after_a_reconnect_is_counted_on_its_row(
    server: GatewayServer, charger: RawClient
) -> None:
    await charger.call(ACTION, EVENT, "a")
    await charger.call(ACTION, EVENT, "b")
    again = await server.connect("CP1")
    assert (await again.call(ACTION, EVENT, "c"))[0] == 3
    (event,) = await events(server)
    (alarm,) = await alarms(server)
    assert (event["copies"], alarm["count"]) == (3, 1)


async def test_further_events_of_a_kind_count_on_the_alarm_until_it_is_acknowledged(
    server: GatewayServer, charger: RawClient
) -> None:
    for second in range(3):
        await charger.call(ACTION, {**EVENT, "timestamp": f"2026-01-01T10:00:0{second}Z"}, str(second))
    (alarm,) = await alarms(server)
    assert alarm["count"] == 3
    await service_of(server).acknowledge(TenantId(server.tenant.id), alarm["id"], "key:test", "Seen.")
    assert await alarms(server, acknowledged=False) == []
    await charger.call(ACTION, EVENT, "copy")
    assert await alarms(server, acknowledged=False) == []
    await charger.call(ACTION, {**EVENT, "timestamp": "2026-01-01T11:00:00Z"}, "new")
    (again,) = await alarms(server, acknowledged=False)
    assert (again["count"], again["id"] > alarm["id"]) == (1, True)


@pytest.mark.parametrize("event_type", ["com.vendor.DoorOpen", "InvalidMessages", "\x00odd"])
async def test_an_unknown_type_is_stored_and_raises_no_alarm(
    server: GatewayServer, charger: RawClient, event_type: str
) -> None:
    assert (await charger.call(ACTION, {**EVENT, "type": event_type}))[0] == 3
    (event,) = await events(server)
    assert (event["type"], event["critical"]) == (event_type.replace("\x00", "\ufffd"), False)
    assert await alarms(server) == []


async def test_a_senseless_time_is_kept_as_it_is(server: GatewayServer, charger: RawClient) -> None:
    unset = "1970-01-01T00:00:00Z"
    assert (await charger.call(ACTION, {**EVENT, "timestamp": unset}))[0] == 3
    (event,) = await events(server)
    assert (event["reported_timestamp"], event["is_time_plausible"]) == (unset, False)
    assert event["occurred_at"] == event["received_at"]


async def test_a_long_tech_info_is_kept_by_a_tolerant_tenant_and_refused_by_a_strict_one(
    server: GatewayServer, charger: RawClient
) -> None:
    long = {**EVENT, "techInfo": "i" * 400}
    assert (await charger.call(ACTION, long))[0] == 3
    (event,) = await events(server)
    assert event["tech_info"] == "i" * 400
    async with server.database.platform() as platform:
        await TenantStore(platform).update(server.tenant.slug, strict_protocol=True)
    strict = await server.connect("CP1")
    assert (await strict.call(ACTION, {**long, "type": "Other"}))[2] == "PropertyConstraintViolation"
    assert len(await events(server)) == 1


@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
async def test_before_the_registration_is_accepted_an_event_is_refused_and_comes_again(
    registration: str,
) -> None:
    harness = SessionHarness(registration=registration, accepted_before=False)
    (answer,) = await harness.receive(
        '[2,"1","SecurityEventNotification",{"type":"T","timestamp":"2026-01-01T10:00:00Z"}]'
    )
    assert answer.startswith('[4,"1","SecurityError"')


async def test_without_the_database_there_is_no_confirmation(
    server: GatewayServer, charger: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr("app.security.event_batcher.add_events", away)
    assert (await charger.call(ACTION, EVENT, "x"))[2] == "InternalError"
    monkeypatch.undo()
    # A CALLERROR is not remembered: the repeat is a new attempt.
    assert (await charger.call(ACTION, EVENT, "x"))[0] == 3
    assert len(await events(server)) == 1


async def test_the_event_of_a_deleted_tenant_fails_alone(server: GatewayServer) -> None:
    batcher = EventBatcher(server.services.storage.message_steps)

    def event(tenant_id: int) -> NewSecurityEvent:
        facts = ("CP1", 1, "T", "2026-01-01T10:00:00Z", None)
        now = server.services.clock.now()
        return reported_event(tenant_id, 7, *facts, critical=frozenset(), received_at=now)

    gone, stored = batcher.record(event(2**40)), batcher.record(event(server.tenant.id))
    results = await asyncio.gather(gone, stored, return_exceptions=True)
    assert (type(results[0]), results[1]) == (NotFound, True)
