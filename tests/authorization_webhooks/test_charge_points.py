"""Charge points of a tenant with a webhook, over real sockets: what they are answered, and what is stored."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI

from app.authorization_webhooks.records import AttemptFilter, NewWebhook
from app.charge_points.store import ChargePointStore
from app.clock import utc_text
from app.database.database import Database
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.main import create_app
from app.settings import Settings
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import TransactionRecord
from tests.support.gateway import GatewayServer, serve
from tests.support.outgoing import TenantServer, tenant_server
from tests.support.raw_client import RawClient, close_all

STARTED = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2026-05-04T08:00:00Z"}
STOPPED = {"transactionId": 0, "meterStop": 2000, "timestamp": "2026-05-04T09:00:00Z", "idTag": "TAG"}


@pytest.fixture(scope="module")
def apps() -> dict[str, FastAPI]:
    return {}


@pytest.fixture
async def server(
    database: Database, tenant: TenantRecord, settings: Settings, apps: dict[str, FastAPI]
) -> AsyncIterator[GatewayServer]:
    """A server that may ask this machine."""
    local = {"outgoing_allowed_networks": ["127.0.0.0/8"], "outgoing_http_allowed": True}
    allowing = settings.model_copy(update=local)
    app = apps.setdefault("one", apps.get("one") or create_app(allowing))
    async with serve(app, allowing) as port:
        try:
            yield GatewayServer(port, app, database, tenant, allowing)
        finally:
            await close_all()


@dataclass
class Story:
    """A charge point, the server, and the server of its tenant."""

    server: GatewayServer
    endpoint: TenantServer
    charger: RawClient
    of_tenant: int | None = None

    async def webhook(self, **changes: Any) -> None:
        values = {"deadline_ms": 10_000, "fallback": "local", "asked_about": "always", "cache_s": 60}
        new = NewWebhook(url=self.endpoint.url, **{**values, **changes})
        await self.server.services.authorization.service.put(self.tenant_id, new, "key:test")

    @property
    def tenant_id(self) -> Any:
        return self.server.tenant.id if self.of_tenant is None else self.of_tenant

    async def disconnected(self) -> None:
        """Wait until the server has noticed the end of the connection."""
        async with asyncio.timeout(20):
            while await self.server.services.presence.find(self.tenant_id, "CP1"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def tag(self, new: NewIdTag) -> None:
        async with self.server.database.tenant(self.tenant_id) as work:
            await IdTagStore(work).create(new)

    async def authorize(self, id_tag: str = "TAG") -> Any:
        return (await self.charger.call("Authorize", {"idTag": id_tag}))[2]["idTagInfo"]

    async def start(self, charger: RawClient | None = None, **changes: Any) -> Any:
        answer = await (charger or self.charger).call("StartTransaction", {**STARTED, **changes})
        return answer[2]

    async def transactions(self) -> list[TransactionRecord]:
        async with self.server.database.tenant(self.tenant_id) as work:
            return (await TransactionStore(work).page(100))[::-1]

    async def recorded(self, count: int = 1) -> list[TransactionRecord]:
        """Wait until so many transactions are stored."""
        async with asyncio.timeout(20):
            while len(found := await self.transactions()) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found


@pytest.fixture
async def story(server: GatewayServer) -> AsyncIterator[Story]:
    await server.register("CP1")
    async with tenant_server() as endpoint:
        yield Story(server, endpoint, await server.connect("CP1"))


async def test_the_webhook_decides_and_the_start_is_not_asked_again(story: Story) -> None:
    await story.webhook()
    story.endpoint.answer = {"status": "Accepted", "parent_id_tag": "FLEET"}
    accepted = {"status": "Accepted", "parentIdTag": "FLEET"}
    assert await story.authorize() == accepted
    assert (await story.start())["idTagInfo"] == accepted
    [received] = story.endpoint.received
    assert received.question["charge_point"] == "CP1"
    assert received.question["tenant"] == story.server.tenant.slug
    assert received.question["connector_id"] is None
    [record] = await story.transactions()
    assert (record.id_tag_info, record.flags) == (accepted, ("replayed",))


async def test_a_start_alone_is_asked_about_with_its_connector_and_time(story: Story) -> None:
    await story.webhook()
    story.endpoint.answer = {"status": "Blocked"}
    await story.tag(NewIdTag("TAG"))
    assert (await story.start(connectorId=3))["idTagInfo"] == {"status": "Blocked"}
    [received] = story.endpoint.received
    assert (received.question["action"], received.question["connector_id"]) == ("StartTransaction", 3)
    assert received.question["time"] == "2026-05-04T08:00:00.000Z"


async def test_a_retry_gets_the_stored_answer_whatever_the_webhook_says_now(story: Story) -> None:
    await story.webhook(cache_s=0)
    first = await story.start()
    story.endpoint.answer = {"status": "Blocked"}
    assert await story.start() == first
    assert len(await story.transactions()) == 1


async def test_stored_tags_are_not_asked_about_if_the_webhook_is_for_the_others(story: Story) -> None:
    await story.webhook(asked_about="unknown_tags", cache_s=0)
    await story.tag(NewIdTag("TAG", status="Blocked"))
    assert await story.authorize() == {"status": "Blocked"}
    assert (await story.start())["idTagInfo"] == {"status": "Blocked"}
    assert story.endpoint.received == []
    assert await story.authorize("OTHER") == {"status": "Accepted"}
    assert (await story.start(idTag="OTHER", connectorId=2))["idTagInfo"] == {"status": "Accepted"}
    assert [one.question["id_tag"] for one in story.endpoint.received] == ["OTHER", "OTHER"]


@pytest.mark.parametrize(
    ("fallback", "status"), [("local", "Blocked"), ("accept", "Accepted"), ("refuse", "Invalid")]
)
@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("500", "http_status"),
        ("redirect", "redirect"),
        ("huge", "body_too_large"),
        ("not json", "not_json"),
        ("empty", "not_json"),
        ("text", "content_type"),
        ("closes midway", "connection_broken"),
    ],
)
async def test_without_a_valid_answer_the_fallback_decides(
    story: Story, fallback: str, status: str, mode: str, reason: str
) -> None:
    await story.webhook(fallback=fallback)
    await story.tag(NewIdTag("TAG", status="Blocked"))
    story.endpoint.mode = mode
    assert (await story.authorize())["status"] == status
    assert (await story.start())["idTagInfo"]["status"] == status
    [record] = await story.transactions()
    assert record.flags == ("authorization_fallback", "replayed")
    attempts = story.server.services.authorization
    await attempts.attempts.flush()
    rows = await attempts.service.attempts(story.tenant_id, 10, None, AttemptFilter())
    assert [(row["reason"], row["decided_by"]) for row in rows] == [(reason, fallback)] * 2


@pytest.mark.parametrize("mode", ["hang", "slow"])
async def test_a_webhook_that_does_not_answer_delays_a_start_up_to_its_deadline(
    story: Story, mode: str
) -> None:
    await story.webhook(deadline_ms=100, fallback="refuse")
    story.endpoint.mode = mode
    answers = [await story.start(connectorId=number) for number in range(1, 6)]
    assert [answer["idTagInfo"]["status"] for answer in answers] == ["Invalid"] * 5
    # Then the circuit is open, and the endpoint is left alone.
    assert len(story.endpoint.received) == 3
    assert len(await story.transactions()) == 5


async def test_an_accepted_start_is_limited_all_the_same(story: Story) -> None:
    await story.webhook()
    await story.tag(NewIdTag("TAG", max_active_transactions=1))
    first, second = await story.start(), await story.start(connectorId=2)
    assert [one["idTagInfo"]["status"] for one in (first, second)] == ["Accepted", "ConcurrentTx"]


async def test_the_socket_closes_while_the_webhook_is_asked_and_the_start_is_recorded(story: Story) -> None:
    await story.webhook()
    story.endpoint.mode = "wait"
    asking = asyncio.create_task(story.start())
    await story.endpoint.arrived.wait()
    assert await story.transactions() == []
    await story.charger.close()
    asking.cancel()
    await story.disconnected()
    story.endpoint.release.set()
    [record] = await story.recorded()
    assert record.id_tag_info == {"status": "Accepted"}
    again = await story.server.connect("CP1")
    assert (await story.start(again))["transactionId"] == record.id
    assert len(story.endpoint.received) == 1


async def test_a_new_connection_stops_what_the_old_one_has_started(story: Story) -> None:
    await story.webhook()
    story.endpoint.mode = "wait"
    asking = asyncio.create_task(story.start())
    await story.endpoint.arrived.wait()
    asking.cancel()
    await story.charger.close()
    again = await story.server.connect("CP1")
    stopping = asyncio.create_task(again.call("StopTransaction", STOPPED))
    await asyncio.sleep(0.1)
    assert await story.transactions() == []
    story.endpoint.release.set()
    assert (await stopping)[0] == 3
    [record] = await story.recorded()
    assert record.meter_stop_wh == 2000


async def test_samples_of_a_new_connection_belong_to_what_the_old_one_has_started(story: Story) -> None:
    await story.webhook()
    story.endpoint.mode = "wait"
    now = utc_text(datetime.now(UTC))
    asking = asyncio.create_task(story.start(timestamp=now))
    await story.endpoint.arrived.wait()
    asking.cancel()
    await story.charger.close()
    again = await story.server.connect("CP1")
    sample = {"timestamp": utc_text(datetime.now(UTC)), "sampledValue": [{"value": "1500"}]}
    sent = asyncio.create_task(again.call("MeterValues", {"connectorId": 1, "meterValue": [sample]}))
    await asyncio.sleep(0.1)
    story.endpoint.release.set()
    assert (await sent)[0] == 3
    [record] = await story.recorded()
    async with story.server.database.tenant(story.tenant_id) as work:
        [stored] = await TransactionStore(work).meter_values(record, 100)
    assert stored.sampled_values == [{"value": "1500"}]


async def test_messages_behind_a_start_are_answered_behind_it(story: Story) -> None:
    await story.webhook()
    story.endpoint.mode = "wait"
    story.charger.send(_text("1", "StartTransaction", STARTED))
    story.charger.send(_text("2", "StopTransaction", STOPPED))
    story.charger.send(_text("3", "Authorize", {"idTag": ""}))
    await story.endpoint.arrived.wait()
    story.endpoint.release.set()
    answers = [await story.charger.text() for _ in range(3)]
    assert [answer[:6] for answer in answers] == ['[3,"1"', '[3,"2"', '[3,"3"']
    [record] = await story.transactions()
    assert record.meter_stop_wh == 2000


def _text(unique_id: str, action: str, payload: Any) -> bytes:
    return json.dumps([2, unique_id, action, payload]).encode()


async def test_samples_are_kept_while_the_webhook_is_asked(story: Story) -> None:
    await story.webhook()
    story.endpoint.mode = "wait"
    story.charger.send(_text("1", "StartTransaction", STARTED))
    await story.endpoint.arrived.wait()
    sample = {"timestamp": "2026-05-04T08:30:00Z", "sampledValue": [{"value": "1500"}]}
    story.charger.send(_text("2", "MeterValues", {"connectorId": 1, "meterValue": [sample]}))
    await asyncio.sleep(0.1)
    story.endpoint.release.set()
    answers = {(await story.charger.text())[:6] for _ in range(2)}
    assert answers == {'[3,"1"', '[3,"2"'}
    async with story.server.database.tenant(story.tenant_id) as work:
        point = await ChargePointStore(work).get("CP1")
        assert point is not None
        [stored] = await TransactionStore(work).meter_values_of_charge_point(point.id, 100)
    assert stored.sampled_values == [{"value": "1500"}]


async def test_the_end_of_the_server_hands_on_a_start(story: Story) -> None:
    await story.webhook()
    story.endpoint.mode = "wait"
    story.charger.send(_text("1", "StartTransaction", STARTED))
    await story.endpoint.arrived.wait()
    starts = story.server.services.starts
    await starts.close()
    [record] = await story.recorded()
    assert record.id_tag_info == {"status": "Invalid"}


async def test_the_webhook_of_another_tenant_is_not_asked(story: Story, server: GatewayServer) -> None:
    async with server.database.platform() as work:
        other = await TenantStore(work).create("another-tenant", "Another")
    await replace(story, of_tenant=other.id).webhook()
    await story.tag(NewIdTag("TAG"))
    assert await story.authorize() == {"status": "Accepted"}
    assert (await story.start())["idTagInfo"] == {"status": "Accepted"}
    assert story.endpoint.received == []


async def test_each_tenant_has_its_own_webhook_and_secret(story: Story, server: GatewayServer) -> None:
    await story.webhook()
    async with server.database.platform() as work:
        other = await TenantStore(work).create("one-more-tenant", "One more")
    async with tenant_server() as foreign:
        foreign.answer = {"status": "Blocked"}
        await replace(story, of_tenant=other.id, endpoint=foreign).webhook()
        assert await story.authorize() == {"status": "Accepted"}
        assert foreign.received == []


async def test_a_start_that_waits_holds_no_other_charge_point(story: Story, server: GatewayServer) -> None:
    """No batch of the ledger waits for a webhook."""
    await story.webhook(asked_about="unknown_tags")
    await story.tag(NewIdTag("TAG"))
    await server.register("CP2")
    other = await server.connect("CP2")
    story.endpoint.mode = "wait"
    story.charger.send(_text("1", "StartTransaction", {**STARTED, "idTag": "STRANGER"}))
    await story.endpoint.arrived.wait()
    assert (await story.start(other))["idTagInfo"] == {"status": "Accepted"}
    assert len(await story.transactions()) == 1
    story.endpoint.release.set()
    assert (await story.charger.text())[:6] == '[3,"1"'
