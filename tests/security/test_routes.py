"""`/v1/security-events` and `/v1/security-alarms`: what an operator sees and does."""

from datetime import timedelta
from typing import Any

import pytest

from app.security import store
from app.security.keeper import SecurityEventKeeper
from app.security.records import OwnEvent
from app.security.rules import own_event, reported_event
from app.security.schemas import SecurityAlarm, SecurityEvent
from app.security.store import add_events
from app.tenants.records import TenantRecord
from tests.support.api import NOW, Api
from tests.web.test_listings import pages

EVENTS, ALARMS = "/v1/security-events", "/v1/security-alarms"
CRITICAL = frozenset({"TamperDetectionActivated"})


async def report(api: Api, tenant: TenantRecord, identity: str, event_type: str, minute: int = 0) -> None:
    event = reported_event(
        tenant.id,
        1,
        identity,
        1,
        event_type,
        f"2026-05-04T08:{minute:02}:00Z",
        "info",
        critical=CRITICAL,
        received_at=NOW,
    )
    await add_events(api.services.storage.message_steps.rows, [event])


@pytest.fixture
async def filled(api: Api, operator: TenantRecord) -> None:
    await report(api, operator, "RDAM-1", "TamperDetectionActivated", 1)
    await report(api, operator, "RDAM-1", "TamperDetectionActivated", 2)
    await report(api, operator, "RDAM-2", "TamperDetectionActivated", 3)
    await report(api, operator, "RDAM-1", "InvalidMessages", 4)
    own = own_event(operator.slug, "RDAM-1", OwnEvent.FAILED_LOGIN, "reason=credential_wrong", NOW)
    await add_events(api.services.storage.message_steps.rows, [own])


async def listed(api: Api, token: str, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = await api.call("GET", path, token, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 5),
        ({"charge_point": "RDAM-1"}, 4),
        ({"type": "TamperDetectionActivated"}, 3),
        ({"critical": "true"}, 3),
        ({"critical": "false"}, 2),
        ({"source": "central_system"}, 1),
        ({"since": "2026-05-04T08:03:00Z", "source": "charge_point"}, 2),
        ({"until": "2026-05-04T08:03:00Z"}, 2),
        ({"charge_point": "RDAM-1", "critical": "true", "until": "2026-05-04T08:02:00Z"}, 1),
        ({"charge_point": "RDAM-9"}, 0),
    ],
)
async def test_events_are_filtered(api: Api, token: str, query: dict[str, str], count: int) -> None:
    assert len(await listed(api, token, EVENTS, **query)) == count


@pytest.mark.usefixtures("filled")
async def test_events_are_paged_and_read(api: Api, token: str) -> None:
    items = await pages(api, EVENTS, token, limit=2)
    assert [item["type"] for item in items][:2] == ["FailedLogin", "InvalidMessages"]
    assert len({item["id"] for item in items}) == 5
    assert [SecurityEvent(**item).model_dump(mode="json") for item in items] == items
    read = await api.call("GET", f"{EVENTS}/{items[0]['id']}", token)
    assert read.json() == items[0]
    assert (await api.call("GET", f"{EVENTS}/999999999", token)).status_code == 404
    assert (await api.call("GET", f"{EVENTS}/odd", token)).status_code == 422
    assert (await api.call("GET", f"{EVENTS}?critical=odd", token)).status_code == 422


@pytest.mark.usefixtures("filled")
async def test_an_alarm_stays_until_it_is_acknowledged(api: Api, token: str) -> None:
    answer = (await api.call("GET", ALARMS, token)).json()
    assert answer["counts"] == {
        "open": 2,
        "charge_points": 2,
        "oldest_raised_at": answer["items"][0]["raised_at"],
    }
    (alarm,) = await listed(api, token, ALARMS, charge_point="RDAM-1", acknowledged="false")
    path = f"{ALARMS}/{alarm['id']}"
    assert alarm["count"] == 2
    assert SecurityAlarm(**alarm).model_dump(mode="json") == alarm
    assert (await api.call("GET", path, token)).json() == alarm
    unreasoned = await api.call("POST", f"{path}/acknowledgement", token, json={})
    assert (unreasoned.status_code, unreasoned.json()["errors"][0]["pointer"]) == (422, "/reason")
    body = {"reason": "Maintenance opened the cover."}
    done = await api.call("POST", f"{path}/acknowledgement", token, json=body)
    assert done.status_code == 200, done.text
    assert done.json()["reason"] == body["reason"]
    assert done.json()["acknowledged_by"].startswith("key:")
    again = await api.call("POST", f"{path}/acknowledgement", token, json=body)
    assert again.status_code == 409
    (entry,) = (await api.call("GET", "/v1/audit", token)).json()["items"]
    assert (entry["act"], entry["subject"]) == ("acknowledge_security_alarm", path)
    assert (await api.call("GET", ALARMS, token)).json()["counts"]["open"] == 1
    missing = await api.call("POST", f"{ALARMS}/999999/acknowledgement", token, json=body)
    assert missing.status_code == 404


@pytest.mark.usefixtures("filled")
async def test_another_tenant_sees_nothing(api: Api, token: str) -> None:
    items = await listed(api, token, EVENTS)
    stranger = await api.key(await api.tenant())
    assert await listed(api, stranger, EVENTS) == []
    assert (await api.call("GET", f"{EVENTS}/{items[0]['id']}", stranger)).status_code == 404
    (alarm, *_) = await listed(api, token, ALARMS)
    path = f"{ALARMS}/{alarm['id']}/acknowledgement"
    assert (await api.call("POST", path, stranger, json={"reason": "Mine."})).status_code == 404


@pytest.mark.usefixtures("filled")
async def test_old_events_are_dropped_unless_an_alarm_waits(api: Api, token: str) -> None:
    keeper = SecurityEventKeeper(api.services.storage.database, api.clock, 30)
    await keeper.sweep()
    assert len(await listed(api, token, EVENTS)) == 5
    api.clock.advance(timedelta(days=31).total_seconds())
    await keeper.sweep()
    assert {item["type"] for item in await listed(api, token, EVENTS)} == {"TamperDetectionActivated"}


async def test_an_open_alarm_keeps_its_first_and_its_last_event(
    api: Api, operator: TenantRecord, token: str
) -> None:
    for minute in range(5):
        await report(api, operator, "RDAM-1", "TamperDetectionActivated", minute)
    ids = [item["id"] for item in await listed(api, token, EVENTS)]
    keeper = SecurityEventKeeper(api.services.storage.database, api.clock, 30)
    api.clock.advance(timedelta(days=31).total_seconds())
    await keeper.sweep()
    assert [item["id"] for item in await listed(api, token, EVENTS)] == [ids[0], ids[-1]]


async def test_a_charge_point_that_sends_events_without_end_keeps_its_newest(
    api: Api, operator: TenantRecord, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "EVENTS_OF_CHARGE_POINT", 2)
    keeper = SecurityEventKeeper(api.services.storage.database, api.clock, 30)
    await report(api, operator, "RDAM-2", "InvalidMessages", 59)
    for minute in range(4):
        await report(api, operator, "RDAM-1", "TamperDetectionActivated", minute)
    for minute in range(10):
        await report(api, operator, "RDAM-1", "InvalidMessages", minute)
    ids = [item["id"] for item in await listed(api, token, EVENTS, charge_point="RDAM-1")]
    await keeper.sweep()
    assert len(await listed(api, token, EVENTS, charge_point="RDAM-1")) == 14
    for _ in range(1000):
        keeper.added(operator.id, "RDAM-1")
    await keeper.sweep()
    left = [item["id"] for item in await listed(api, token, EVENTS, charge_point="RDAM-1")]
    # Two of each kind; and the alarm keeps its first event.
    assert left == [*ids[:2], *ids[10:12], ids[13]]
    assert len(await listed(api, token, EVENTS, charge_point="RDAM-2")) == 1
