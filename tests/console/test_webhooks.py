"""The screens of webhooks: made, changed, paused, tried, read and sent again, in the name of the person."""

import re
from datetime import timedelta
from uuid import UUID

import pytest

from app.audit.service import AuditService
from app.tenants.records import TenantRecord
from app.types import TenantId
from app.web.pagination import encode_cursor
from app.webhooks.records import Attempted, DeliveryOutcome, DeliveryState, Finished, Waiting
from app.webhooks.service import WebhookService
from app.webhooks.store.deliveries import DeliveryStore
from tests.support.api import NOW
from tests.support.console import ConsoleSite, Visitor

_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")
URL = "https://webhook.invalid/in?token=hidden"


@pytest.fixture
async def clerk(site: ConsoleSite, operator: TenantRecord) -> Visitor:
    """Return the browser of an operator."""
    return await site.logged_in(operator, "operator")


@pytest.fixture
async def webhook_id(site: ConsoleSite, operator: TenantRecord, clerk: Visitor) -> UUID:
    """Make a webhook by the form, and return its id."""
    assert (await clerk.submit("/webhooks", url=URL, description="Billing")).status == 200
    [record] = await site.services.get(WebhookService).all(TenantId(operator.id))
    return record.id


async def deliver(
    site: ConsoleSite, tenant: TenantRecord, webhook_id: UUID, states: dict[int, DeliveryState]
) -> None:
    """Put deliveries into the log of a webhook. states: by the positions of their events."""
    async with site.api.services.storage.database.tenant(tenant.id) as work:
        store = DeliveryStore(work, webhook_id)
        await store.add([Waiting(one, "connection.opened", frozenset({"RDAM-1"}), 0, NOW) for one in states])
        await store.finish(
            [
                Finished(
                    position,
                    Attempted(NOW, state == "delivered", status_code=503, detail=f"Detail {position}."),
                    DeliveryOutcome(state, 3, NOW + timedelta(hours=1)),
                )
                for position, state in states.items()
            ]
        )


async def test_a_list_without_a_webhook_says_what_to_do(site: ConsoleSite, operator: TenantRecord) -> None:
    shown = (await (await site.logged_in(operator, "operator")).get("/webhooks")).text
    assert "Make the first one below" in shown
    assert "/v1/webhooks" in shown
    seen = (await (await site.logged_in(operator, "viewer")).get("/webhooks")).text
    assert "An operator makes the first one" in seen
    assert re.findall(r'method="post" action="([^"]*)"', seen) == ["/console/logout"]


async def test_a_webhook_is_made_with_its_filters_and_its_secret_is_shown_once(
    site: ConsoleSite, operator: TenantRecord, clerk: Visitor
) -> None:
    form = {
        "url": URL,
        "description": "Billing",
        "event_types[]": "transaction.ended",
        "charge_points": "RDAM-1\r\nRDAM-2",
        "labels": "site:north",
    }
    made = await clerk.submit("/webhooks", **form)
    [secret] = _SECRET.findall(made.text)
    webhooks, tenant_id = site.services.get(WebhookService), TenantId(operator.id)
    [record] = await webhooks.all(tenant_id)
    assert webhooks.cipher.decrypt(tenant_id, record.secret) == secret
    assert (record.url, record.description, record.event_types) == (URL, "Billing", ("transaction.ended",))
    assert (record.charge_points, record.labels) == (("RDAM-1", "RDAM-2"), {"site": "north"})
    assert "Billing" in (await clerk.get("/webhooks")).text
    again = (await clerk.get(f"/webhooks/{record.id}")).text
    assert secret not in again
    assert "transaction.ended" in again
    [entry] = await site.services.get(AuditService).page(tenant_id, 1, None)
    assert (entry.act, entry.actor) == ("create_webhook", "user:operator")


@pytest.mark.parametrize(
    ("form", "status", "detail"),
    [
        ({"url": ""}, 422, "URL: is required"),
        ({"url": "ftp://example.com/"}, 422, "URL: "),
        ({"event_types[]": "transaction.start"}, 422, "Types of events: number 1 is not a type of events"),
        ({"charge_points": "RDAM-1\n/"}, 422, "Charge points: number 2 must be"),
        ({"labels": "a:b\nnorth"}, 422, "Labels of the charge points: number 2 is not key:value"),
    ],
)
async def test_a_refused_webhook_says_which_field_is_wrong_and_keeps_what_was_typed(
    clerk: Visitor, form: dict[str, str], status: int, detail: str
) -> None:
    refused = await clerk.submit("/webhooks", **{"url": URL, "description": "kept", **form})
    assert refused.status == status
    assert detail in refused.text
    assert 'value="kept"' in refused.text


async def test_a_webhook_is_changed_paused_resumed_and_deleted(
    site: ConsoleSite, operator: TenantRecord, clerk: Visitor, webhook_id: UUID
) -> None:
    webhooks, tenant_id = site.services.get(WebhookService), TenantId(operator.id)
    address = f"/webhooks/{webhook_id}"
    form = {"url": "https://other.invalid/", "description": "", "event_types[]": "login.refused"}
    assert (await clerk.submit(f"{address}/change", **form)).status == 303
    record = await webhooks.get(tenant_id, webhook_id)
    assert (record.url, record.description) == ("https://other.invalid/", None)
    assert record.event_types == ("login.refused",)
    refused = await clerk.submit(f"{address}/change", url="", description="kept")
    assert (refused.status, "URL: " in refused.text, 'value="kept"' in refused.text) == (422, True, True)
    assert (await clerk.submit(f"{address}/enabled", enabled="false")).status == 303
    paused = await webhooks.get(tenant_id, webhook_id)
    assert (paused.state, paused.disabled_reason) == ("disabled", "operator")
    assert "Resume" in (await clerk.get(address)).text
    assert (await clerk.submit(f"{address}/enabled", enabled="true")).status == 303
    assert (await webhooks.get(tenant_id, webhook_id)).state == "active"
    assert (await clerk.submit(f"{address}/delete")).location == "/console/webhooks"
    assert await webhooks.all(tenant_id) == []
    acts = [entry.act for entry in await site.services.get(AuditService).page(tenant_id, 5, None)]
    assert acts == ["delete_webhook", *["change_webhook"] * 3, "create_webhook"]


async def test_a_secret_is_replaced_and_shown_once(
    site: ConsoleSite, operator: TenantRecord, clerk: Visitor, webhook_id: UUID
) -> None:
    replaced = await clerk.submit(f"/webhooks/{webhook_id}/secret")
    [secret] = _SECRET.findall(replaced.text)
    assert "messages are signed with the secret before it" in replaced.text
    webhooks, tenant_id = site.services.get(WebhookService), TenantId(operator.id)
    record = await webhooks.get(tenant_id, webhook_id)
    assert webhooks.cipher.decrypt(tenant_id, record.secret) == secret
    assert secret not in (await clerk.get(f"/webhooks/{webhook_id}")).text


async def test_a_test_shows_why_it_was_not_delivered(clerk: Visitor, webhook_id: UUID) -> None:
    tried = await clerk.submit(f"/webhooks/{webhook_id}/test")
    assert tried.status == 200
    assert "not delivered" in tried.text
    assert "there was none" in tried.text


async def test_the_log_shows_each_delivery_and_the_dead_letters(
    site: ConsoleSite, operator: TenantRecord, clerk: Visitor, webhook_id: UUID
) -> None:
    address = f"/webhooks/{webhook_id}"
    assert "Nothing was sent yet" in (await clerk.get(address)).text
    await deliver(site, operator, webhook_id, {7: "delivered", 8: "dead", 9: "pending"})
    everything = (await clerk.get(address)).text
    assert all(f"Detail {position}." in everything for position in (7, 8, 9))
    dead = (await clerk.get(f"{address}/log?state=dead")).text
    assert ("Detail 8." in dead, "Detail 7." in dead) == (True, False)
    resend = f'action="/console{address}/deliveries/{encode_cursor(8)}/resend"'
    assert resend in dead
    pending = (await clerk.get(f"{address}?state=pending")).text
    assert "Detail 9." in pending
    assert "/resend" not in pending.replace("$EVENT/resend", "")
    viewer = await site.logged_in(operator, "viewer")
    assert re.findall(r'method="post" action="([^"]*)"', (await viewer.get(address)).text) == [
        "/console/logout"
    ]


async def test_a_log_has_pages(
    site: ConsoleSite, operator: TenantRecord, clerk: Visitor, webhook_id: UUID
) -> None:
    await deliver(site, operator, webhook_id, dict.fromkeys(range(101, 152), "dead"))
    first = (await clerk.get(f"/webhooks/{webhook_id}?state=dead")).text
    assert "Detail 102." in first
    assert "Detail 101." not in first
    found = re.search(r'id="next" class="button quiet" href="/console([^"]*)"', first)
    assert found is not None
    second = (await clerk.get(found[1].replace("&amp;", "&"))).text
    assert "Detail 101." in second
    assert "Detail 102." not in second


async def test_a_replay_begins_behind_an_event_that_has_passed(
    site: ConsoleSite, operator: TenantRecord, clerk: Visitor, webhook_id: UUID
) -> None:
    address = f"/webhooks/{webhook_id}"
    known = encode_cursor(1)
    assert f'value="{known}"' in (await clerk.get(f"{address}?after={known}")).text
    assert (await clerk.submit(f"{address}/replay", after="")).status == 303
    [entry] = await site.services.get(AuditService).page(TenantId(operator.id), 1, None)
    assert (entry.act, entry.details) == ("replay_webhook", {"position": None})
    damaged = await clerk.submit(f"{address}/replay", after="not a cursor")
    assert (damaged.status, "Behind the event: is not a cursor" in damaged.text) == (422, True)
    far = await clerk.submit(f"{address}/replay", after=encode_cursor(9_000_000))
    assert (far.status, "has passed already" in far.text) == (422, True)


async def test_an_event_that_the_webhook_has_not_come_to_is_not_sent_again(
    clerk: Visitor, webhook_id: UUID
) -> None:
    again = await clerk.submit(f"/webhooks/{webhook_id}/deliveries/{encode_cursor(9_000_000)}/resend")
    assert (again.status, "has not come to this event yet" in again.text) == (409, True)
