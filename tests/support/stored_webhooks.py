"""A webhook with a delivery, for tests of all routes."""

from datetime import UTC, datetime
from uuid import uuid4

from app.database.unit_of_work import TenantWork
from app.outgoing.signature import SecretCipher, new_secret
from app.types import TenantId
from app.web.pagination import encode_cursor
from app.webhooks.records import NewEventWebhook, Waiting
from app.webhooks.store.deliveries import DeliveryStore
from app.webhooks.store.webhooks import EventWebhookStore

_POSITION = 1000
"""Behind the cursor in the example of a replay."""


async def store_webhook(work: TenantWork, pepper: str) -> dict[str, str]:
    """Store a disabled webhook. Return its id, and that of an event that it has not come to."""
    webhook_id = uuid4()
    new = NewEventWebhook("https://webhook.invalid/", "Billing", (), (), {})
    secret = SecretCipher(pepper).encrypt(TenantId(work.tenant_id), new_secret())
    store = EventWebhookStore(work)
    await store.create(webhook_id, new, secret, _POSITION)
    await store.change(webhook_id, {"state": "disabled", "disabled_reason": "operator"})
    waiting = Waiting(_POSITION, "connection.opened", frozenset({"CP"}), 0, datetime.now(UTC))
    await DeliveryStore(work, webhook_id).add([waiting])
    return {"webhook_id": str(webhook_id), "webhook_event_id": encode_cursor(2 * _POSITION)}
