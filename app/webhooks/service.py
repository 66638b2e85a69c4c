"""Use cases of webhooks: what operators set, try, send again and look at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import orjson

from app.acting import note_audited
from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.clock import Clock, utc_text
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import Conflict, FieldViolation, InvalidInput, NotFound
from app.events.reader import EventReader
from app.metrics import LIMITS_HIT
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailed
from app.outgoing.signature import SecretCipher, new_secret
from app.settings import Settings
from app.types import Json, TenantId
from app.webhooks.records import (
    Attempted,
    DeliveryRecord,
    DeliveryState,
    EventWebhookRecord,
    NewEventWebhook,
    Waiting,
)
from app.webhooks.rules import SECRET_OVERLAP, charge_points_of
from app.webhooks.selection import selected
from app.webhooks.sender import WebhookSender
from app.webhooks.store.deliveries import DeliveryStore
from app.webhooks.store.webhooks import EventWebhookStore

PATH: Final = "/v1/webhooks"
TEST_TYPE: Final = "webhook.test"


@dataclass(frozen=True, slots=True)
class WebhookWithNewSecret:
    """A webhook after a secret was made, which is never shown again."""

    record: EventWebhookRecord
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookService:
    """The use cases of webhooks. wake: lets this worker send soon what has changed."""

    database: Database
    reader: EventReader
    client: Callable[[], OutgoingClient]
    cipher: SecretCipher
    sender: WebhookSender
    wake: Callable[[], None]
    clock: Clock
    settings: Settings

    async def all(self, tenant_id: TenantId) -> list[EventWebhookRecord]:
        """Return the webhooks of a tenant, the oldest first."""
        async with self.database.tenant(tenant_id) as work:
            return await EventWebhookStore(work).all()

    async def get(self, tenant_id: TenantId, webhook_id: UUID) -> EventWebhookRecord:
        """Return one webhook.

        Raises:
            NotFound: the tenant has none of this id.
        """
        async with self.database.tenant(tenant_id) as work:
            return _found(await EventWebhookStore(work).get(webhook_id))

    async def create(self, tenant_id: TenantId, new: NewEventWebhook, actor: str) -> WebhookWithNewSecret:
        """Store a webhook. It gets what happens from now on.

        Raises:
            Conflict: the tenant has too many.
            InvalidInput: requests may not go to its URL.
        """
        self._require_url(new.url)
        limit, webhook_id, secret = self.settings.webhooks_of_tenant_limit, uuid4(), new_secret()
        newest = await self.reader.newest(tenant_id)
        async with self.database.tenant(tenant_id) as work:
            store = EventWebhookStore(work)
            await store.lock_tenant()
            if len(await store.all()) >= limit:
                LIMITS_HIT.labels("webhooks_of_tenant").inc()
                raise Conflict(f"A tenant has at most {limit} webhooks.")
            encrypted = self.cipher.encrypt(tenant_id, secret)
            record = await store.create(webhook_id, new, encrypted, newest)
            await self._note(work, actor, "create_webhook", webhook_id, _told(asdict(new)))
        self.wake()
        return WebhookWithNewSecret(record, secret)

    async def change(
        self,
        tenant_id: TenantId,
        webhook_id: UUID,
        changes: Mapping[str, Any],
        actor: str,
        compare: Callable[[EventWebhookRecord], None],
    ) -> EventWebhookRecord:
        """Change a webhook.

        Args:
            tenant_id: Whose webhook.
            webhook_id: Its id.
            changes: Fields of `NewEventWebhook`, and `enabled`.
            actor: Who does it.
            compare: Called with the locked webhook before it changes; what it raises cancels the change.

        Raises:
            NotFound: the tenant has none of this id.
            InvalidInput: requests may not go to its URL.
        """
        if "url" in changes:
            self._require_url(changes["url"])
        async with self.database.tenant(tenant_id) as work:
            store = EventWebhookStore(work)
            record = _found(await store.get(webhook_id, to_change=True))
            compare(record)
            if not changes:
                note_audited()
                return record
            columns = dict(changes)
            enabled = columns.pop("enabled", None)
            if enabled is True:
                columns |= {"state": "active", "disabled_reason": None, "failing_since": None}
                await DeliveryStore(work, webhook_id).attempt_now()
            elif enabled is False:
                columns |= {"state": "disabled", "disabled_reason": "operator"}
            changed = await store.change(webhook_id, columns)
            await self._note(work, actor, "change_webhook", webhook_id, _told(changes))
        self.wake()
        return changed

    async def replace_secret(self, tenant_id: TenantId, webhook_id: UUID, actor: str) -> WebhookWithNewSecret:
        """Make another secret. The one before it signs next to it for a while.

        Raises:
            NotFound: the tenant has no webhook of this id.
        """
        secret, until = new_secret(), self.clock.now() + SECRET_OVERLAP
        async with self.database.tenant(tenant_id) as work:
            store = EventWebhookStore(work)
            _found(await store.get(webhook_id, to_change=True))
            encrypted = self.cipher.encrypt(tenant_id, secret)
            record = await store.replace_secret(webhook_id, encrypted, until)
            await self._note(work, actor, "replace_webhook_secret", webhook_id, {})
        self.wake()
        return WebhookWithNewSecret(record, secret)

    async def delete(self, tenant_id: TenantId, webhook_id: UUID, actor: str) -> None:
        """Remove a webhook and its deliveries.

        Raises:
            NotFound: the tenant has none of this id.
        """
        async with self.database.tenant(tenant_id) as work:
            if not await EventWebhookStore(work).delete(webhook_id):
                raise _not_found()
            await self._note(work, actor, "delete_webhook", webhook_id, {})
        self.wake()

    async def replay(
        self, tenant_id: TenantId, webhook_id: UUID, after: int | None, actor: str
    ) -> EventWebhookRecord:
        """Send again all events behind a position, in their order; None: all that are kept.

        Raises:
            NotFound: the tenant has no webhook of this id.
            InvalidInput: the position is behind the last event that was handed to the webhook.
            EventsExpired: events behind the position were deleted because of their age.
        """
        await self.reader.check(tenant_id, after or 0)
        async with self.database.tenant(tenant_id) as work:
            store = EventWebhookStore(work)
            record = _found(await store.get(webhook_id, to_change=True))
            if after is not None and after > record.position:
                detail = "is not the id of an event that this webhook has passed already"
                raise InvalidInput([FieldViolation("/after", "not_passed", detail)])
            await DeliveryStore(work, webhook_id).take_back(after or 0)
            # Those that were behind before this position still are.
            behind = {name: place for name, place in record.behind.items() if place < (after or 0)}
            changed = await store.change(webhook_id, {"position": after or 0, "behind": behind})
            await self._note(work, actor, "replay_webhook", webhook_id, {"position": after})
        self.wake()
        return changed

    async def resend(self, tenant_id: TenantId, webhook_id: UUID, position: int, actor: str) -> None:
        """Send one event again.

        Raises:
            NotFound: the tenant has no webhook of this id, or no event for it.
            Conflict: the event was not sent yet, so that it comes anyway.
        """
        events = (await self.reader.read(tenant_id, max(position - 1, 0), 1)).events
        async with self.database.tenant(tenant_id) as work:
            store = EventWebhookStore(work)
            record = _found(await store.get(webhook_id, to_change=True))
            if position > record.position:
                raise Conflict("The webhook has not come to this event yet.", "webhook_event_id")
            named = [one for one in events if one.position == position]
            found = await selected(work, record, named)
            if not found:
                raise NotFound("There is no event of this id that the webhook gets.", "webhook_event_id")
            keys = charge_points_of(found[0])
            again = Waiting(position, found[0].type, keys, 0, self.clock.now())
            await DeliveryStore(work, webhook_id).add([again])
            await store.change(webhook_id, {})
            await self._note(work, actor, "resend_webhook_event", webhook_id, {"position": position})
        self.wake()

    async def test(self, tenant_id: TenantId, webhook_id: UUID) -> Attempted:
        """Send an event of the type `webhook.test` now, even if the webhook is disabled.

        Raises:
            NotFound: the tenant has no webhook of this id.
        """
        record = await self.get(tenant_id, webhook_id)
        return await self.sender.send(record, f"msg_test_{uuid4().hex}", _test_body(self.clock.now()))

    async def deliveries(
        self,
        tenant_id: TenantId,
        webhook_id: UUID,
        limit: int,
        before: int | None,
        state: DeliveryState | None,
    ) -> Sequence[DeliveryRecord]:
        """Return deliveries, the newest event first. before: position of the last one seen.

        Raises:
            NotFound: the tenant has no webhook of this id.
        """
        async with self.database.tenant(tenant_id) as work:
            _found(await EventWebhookStore(work).get(webhook_id))
            return await DeliveryStore(work, webhook_id).page(limit, before, state)

    def _require_url(self, url: str) -> None:
        try:
            self.client().check_url(url)
        except OutgoingFailed as failed:
            raise InvalidInput([FieldViolation("/url", failed.reason.value, failed.detail)]) from None

    async def _note(self, work: TenantWork, actor: str, act: Act, webhook_id: UUID, details: Json) -> None:
        subject = f"{PATH}/{webhook_id}"
        entry = NewAuditEntry(work.tenant_id, self.clock.now(), actor, act, subject, "", details)
        await AuditStore(work).add(entry)


def _told(fields: Mapping[str, Any]) -> Json:
    """Return what the audit tells. A URL may hold a token in its path or query: only its host is told."""
    told = dict(fields)
    if "url" in told:
        told["url"] = "/".join(told["url"].split("?")[0].split("/")[:3])
    return told


def _test_body(now: datetime) -> bytes:
    at = utc_text(now)
    return orjson.dumps(
        {
            "id": None,
            "type": TEST_TYPE,
            "version": 1,
            "charge_point": None,
            "occurred_at": at,
            "recorded_at": at,
            "data": {},
        }
    )


def _found(record: EventWebhookRecord | None) -> EventWebhookRecord:
    if record is None:
        raise _not_found()
    return record


def _not_found() -> NotFound:
    return NotFound("There is no webhook of this id.", "webhook_id")
