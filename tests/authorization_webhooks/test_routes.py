"""`/v1/authorization-webhook`: what an operator sets and sees."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from app.authorization_webhooks.recorder import AttemptRecorder
from app.authorization_webhooks.records import Attempt
from app.authorization_webhooks.store import ATTEMPTS_OF_TENANT, add_attempts
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.types import TenantId
from tests.support.api import NOW, Api, open_api
from tests.support.outgoing import TenantServer, tenant_server
from tests.support.scripted_commands import ScriptedCommands
from tests.web.test_listings import pages

PATH = "/v1/authorization-webhook"
PUBLIC = "https://billing.example.com/authorize?token=hidden"
DEFAULTS = {"deadline_ms": 2000, "fallback": "local", "asked_about": "always", "cache_s": 60}


@pytest.fixture
async def api(
    storage: Storage, redis_url: str, settings: Settings, scripted: ScriptedCommands
) -> AsyncIterator[Api]:
    """The API of a server that may ask this machine."""
    local = {"outgoing_allowed_networks": ["127.0.0.0/8"], "outgoing_http_allowed": True}
    async with open_api(storage, redis_url, settings.model_copy(update=local), scripted) as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[TenantServer]:
    async with tenant_server() as opened:
        yield opened


def attempt_of(tenant: TenantRecord, **changes: Any) -> Attempt:
    attempt = Attempt(
        TenantId(tenant.id),
        NOW,
        "Authorize",
        "RDAM-1",
        None,
        "A",
        None,
        None,
        "webhook",
        "Accepted",
        5,
        False,
    )
    return replace(attempt, **changes)


async def test_a_webhook_is_set_changed_and_removed(api: Api, token: str) -> None:
    assert (await api.call("GET", PATH, token)).status_code == 404
    assert (await api.call("DELETE", PATH, token)).status_code == 404
    created = await api.call("PUT", PATH, token, json={"url": PUBLIC})
    assert created.status_code == 201, created.text
    assert created.headers["cache-control"] == "no-store"
    shown = created.json()
    secret = shown.pop("secret")
    assert secret.startswith("whsec_")
    assert {name: shown[name] for name in DEFAULTS} == DEFAULTS
    read = await api.call("GET", PATH, token)
    assert read.json() == shown
    unchanged = await api.call("GET", PATH, token, headers={"If-None-Match": read.headers["etag"]})
    assert unchanged.status_code == 304
    changes = {"deadline_ms": 100, "fallback": "accept", "asked_about": "unknown_tags", "cache_s": 0}
    changed = await api.call("PUT", PATH, token, json={"url": PUBLIC, **changes})
    assert changed.status_code == 200
    assert {name: changed.json()[name] for name in changes} == changes
    assert secret not in changed.text
    assert (await api.call("DELETE", PATH, token)).status_code == 204
    assert (await api.call("GET", PATH, token)).status_code == 404
    assert (await api.call("POST", f"{PATH}/secret", token)).status_code == 404
    assert (await api.call("POST", f"{PATH}/test", token, json={"id_tag": "A"})).status_code == 404


async def test_each_change_is_audited_without_secrets(api: Api, token: str) -> None:
    created = await api.call("PUT", PATH, token, json={"url": PUBLIC})
    again = await api.call("POST", f"{PATH}/secret", token)
    await api.call("DELETE", PATH, token)
    answer = await api.call("GET", "/v1/audit", token)
    entries = answer.json()["items"]
    assert [(entry["act"], entry["subject"]) for entry in entries] == [
        ("delete_authorization_webhook", PATH),
        ("replace_authorization_webhook_secret", PATH),
        ("set_authorization_webhook", PATH),
    ]
    assert entries[2]["details"] == {"url": "https://billing.example.com", **DEFAULTS}
    assert all(entry["actor"].startswith("key:") for entry in entries)
    for secret in ("hidden", created.json()["secret"], again.json()["secret"]):
        assert secret not in answer.text


async def test_a_secret_is_stored_encrypted(api: Api, token: str, operator: TenantRecord) -> None:
    secret = (await api.call("PUT", PATH, token, json={"url": PUBLIC})).json()["secret"]
    webhook = api.services.authorization.directory.get(TenantId(operator.id))
    assert webhook is not None
    assert secret.encode() not in webhook.secret
    assert secret[6:].encode() not in webhook.secret


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/url"),
        ({"url": ""}, "/url"),
        ({"url": "ftp://example.com/"}, "/url"),
        ({"url": "https://user:pw@example.com/"}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "https://[::1]/"}, "/url"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "/url"),
        ({"url": "https://2130706433/"}, "/url"),
        ({"url": "https://example.com:22/"}, "/url"),
        ({"url": "https://example.com/" + "a" * 2000}, "/url"),
        ({"url": PUBLIC, "deadline_ms": 99}, "/deadline_ms"),
        ({"url": PUBLIC, "deadline_ms": 10_001}, "/deadline_ms"),
        ({"url": PUBLIC, "cache_s": -1}, "/cache_s"),
        ({"url": PUBLIC, "cache_s": 3601}, "/cache_s"),
        ({"url": PUBLIC, "fallback": "ask"}, "/fallback"),
        ({"url": PUBLIC, "asked_about": "never"}, "/asked_about"),
        ({"url": PUBLIC, "secret": "whsec_AAAA"}, "/secret"),
    ],
)
async def test_a_wrong_webhook_is_refused(api: Api, token: str, body: Any, field: str) -> None:
    answer = await api.call("PUT", PATH, token, json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert (await api.call("GET", PATH, token)).status_code == 404


async def test_a_test_shows_what_came_back(
    api: Api, token: str, operator: TenantRecord, server: TenantServer
) -> None:
    await api.call("PUT", PATH, token, json={"url": server.url, "fallback": "refuse"})
    server.answer = {
        "status": "Accepted",
        "expiry_date": "2027-01-01T00:00:00Z",
        "parent_id_tag": "FLEET",
    }
    answer = await api.call("POST", f"{PATH}/test", token, json={"id_tag": "B4A63CDF", "connector_id": 2})
    assert answer.json() == {
        "reason": None,
        "detail": None,
        "decided_by": "webhook",
        "status": "Accepted",
        "expiry_date": "2027-01-01T00:00:00.000Z",
        "parent_id_tag": "FLEET",
        "duration_ms": 0,
    }
    [received] = server.received
    assert received.question == {
        "tenant": operator.slug,
        "charge_point": "TEST",
        "connector_id": 2,
        "id_tag": "B4A63CDF",
        "action": "Authorize",
        "time": "2026-05-04T08:15:30.000Z",
        "test": True,
    }
    server.mode = "500"
    failed = (await api.call("POST", f"{PATH}/test", token, json={"id_tag": "A"})).json()
    assert (failed["reason"], failed["decided_by"], failed["status"]) == ("http_status", "refuse", "Invalid")
    assert failed["detail"] == "The answer has the status 500."
    await api.services.authorization.attempts.flush()
    listed = (await api.call("GET", f"{PATH}/attempts", token)).json()["items"]
    assert [(one["reason"], one["is_test"]) for one in listed] == [("http_status", True), (None, True)]


@pytest.mark.parametrize("body", [{}, {"id_tag": ""}, {"id_tag": "A", "connector_id": -1}, {"id_tag": "A/B"}])
async def test_a_wrong_test_is_refused(api: Api, token: str, body: Any) -> None:
    await api.call("PUT", PATH, token, json={"url": PUBLIC})
    assert (await api.call("POST", f"{PATH}/test", token, json=body)).status_code == 422


async def test_while_a_secret_is_replaced_both_sign(api: Api, token: str, server: TenantServer) -> None:
    await api.call("PUT", PATH, token, json={"url": server.url})
    replaced = await api.call("POST", f"{PATH}/secret", token)
    assert replaced.status_code == 201
    assert replaced.json()["previous_secret_until"] == "2026-05-05T08:15:30.000Z"
    for hours, signatures in ((0, 2), (23, 2), (2, 1)):
        api.clock.advance(hours * 3600)
        await api.call("POST", f"{PATH}/test", token, json={"id_tag": "A"})
        assert len(server.received[-1].headers["webhook-signature"].split(" ")) == signatures


async def test_attempts_are_narrowed_and_paged(api: Api, operator: TenantRecord, token: str) -> None:
    attempts = [attempt_of(operator, charge_point=f"CP{n}", connector_id=n) for n in range(4)]
    failed = attempt_of(
        operator, reason="deadline", detail="a\x00b", decided_by="local", status=None, id_tag="\ud800"
    )
    async with api.services.storage.database.platform() as work:
        await add_attempts(work, [*attempts, failed])
    listed = await pages(api, f"{PATH}/attempts", token, limit=2)
    assert [one["charge_point"] for one in listed] == ["RDAM-1", "CP3", "CP2", "CP1", "CP0"]
    assert listed[0] == {
        "at": "2026-05-04T08:15:30.000Z",
        "action": "Authorize",
        "charge_point": "RDAM-1",
        "connector_id": None,
        "id_tag": "\ufffd",
        "reason": "deadline",
        "detail": "a\ufffdb",
        "decided_by": "local",
        "status": None,
        "duration_ms": 5,
        "is_test": False,
    }
    for query, count in (
        ("charge_point=CP1", 1),
        ("reason=deadline", 1),
        ("reason=not_json", 0),
        ("decided_by=webhook", 4),
    ):
        page = (await api.call("GET", f"{PATH}/attempts?{query}", token)).json()
        assert len(page["items"]) == count, query
    assert (await api.call("GET", f"{PATH}/attempts?reason=other", token)).status_code == 422


async def test_the_newest_attempts_of_a_tenant_are_kept(api: Api, operator: TenantRecord, token: str) -> None:
    other = await api.tenant()
    attempts = [attempt_of(operator, connector_id=n) for n in range(ATTEMPTS_OF_TENANT + 5)]
    async with api.services.storage.database.platform() as work:
        await add_attempts(work, [attempt_of(other)])
        await add_attempts(work, attempts)
        await add_attempts(work, [attempt_of(operator, tenant_id=TenantId(2**40))])
    listed = await pages(api, f"{PATH}/attempts", token, limit=200)
    assert len(listed) == ATTEMPTS_OF_TENANT
    assert (listed[0]["connector_id"], listed[-1]["connector_id"]) == (ATTEMPTS_OF_TENANT + 4, 5)
    assert len((await api.call("GET", f"{PATH}/attempts", await api.key(other))).json()["items"]) == 1


async def test_a_busy_tenant_leaves_room_for_others(api: Api, operator: TenantRecord, token: str) -> None:
    other = await api.tenant()
    recorder = AttemptRecorder(api.services.storage.database)
    for number in range(300):
        recorder.note(attempt_of(operator, connector_id=number))
    recorder.note(attempt_of(other))
    await recorder.close()
    assert len(await pages(api, f"{PATH}/attempts", token, limit=200)) == 200
    assert len((await api.call("GET", f"{PATH}/attempts", await api.key(other))).json()["items"]) == 1


async def test_tenants_do_not_see_each_other(api: Api, operator: TenantRecord, token: str) -> None:
    await api.call("PUT", PATH, token, json={"url": PUBLIC})
    other = await api.tenant()
    key = await api.key(other)
    assert (await api.call("GET", PATH, key)).status_code == 404
    assert (await api.call("DELETE", PATH, key)).status_code == 404
    assert (await api.call("GET", PATH, token)).status_code == 200
    directory = api.services.authorization.directory
    assert directory.get(TenantId(other.id)) is None
    assert directory.get(TenantId(operator.id)) is not None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", PATH, {"url": PUBLIC}),
        ("DELETE", PATH, None),
        ("POST", f"{PATH}/secret", None),
        ("POST", f"{PATH}/test", {"id_tag": "A"}),
    ],
)
async def test_to_change_it_needs_the_scope_write(
    api: Api, operator: TenantRecord, method: str, path: str, body: Any
) -> None:
    key = await api.key(operator, "read")
    assert (await api.call(method, path, key, json=body)).status_code == 403


async def test_another_worker_sees_each_change(api: Api, token: str, operator: TenantRecord) -> None:
    directory = type(api.services.authorization.directory)(api.services.storage.database)
    tenant_id = TenantId(operator.id)
    await directory.refresh()
    assert directory.get(tenant_id) is None
    deadlines: list[int | None] = []
    for deadline_ms in (100, 200):
        await api.call("PUT", PATH, token, json={"url": PUBLIC, "deadline_ms": deadline_ms})
        await directory.refresh()
        webhook = directory.get(tenant_id)
        deadlines.append(None if webhook is None else webhook.deadline_ms)
    await api.call("DELETE", PATH, token)
    await directory.refresh()
    deadlines.append(getattr(directory.get(tenant_id), "deadline_ms", None))
    assert deadlines == [100, 200, None]


async def test_a_flush_waits_for_a_write_that_runs(api: Api, operator: TenantRecord, token: str) -> None:
    recorder = AttemptRecorder(api.services.storage.database)
    recorder.note(attempt_of(operator, charge_point="FIRST"))
    running = asyncio.create_task(recorder.flush())
    await asyncio.sleep(0)
    recorder.note(attempt_of(operator, charge_point="SECOND"))
    await recorder.flush()
    listed = (await api.call("GET", f"{PATH}/attempts", token)).json()["items"]
    assert [one["charge_point"] for one in listed] == ["SECOND", "FIRST"]
    await running
