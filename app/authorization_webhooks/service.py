"""Use cases of authorization webhooks: set, test and remove one, and see what was asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.authorization_webhooks.asker import WebhookAsker
from app.authorization_webhooks.directory import WebhookDirectory
from app.authorization_webhooks.records import (
    Attempt,
    AttemptFilter,
    Decision,
    NewWebhook,
    TagQuestion,
    WebhookRecord,
)
from app.authorization_webhooks.rules import SECRET_OVERLAP
from app.authorization_webhooks.store import AttemptStore, WebhookStore
from app.clock import Clock
from app.database.database import Database
from app.database.prepared import Row
from app.database.unit_of_work import TenantReads, TenantWork
from app.errors import FieldViolation, InvalidInput, NotFound
from app.id_tags.rules import fold_id_tag, trim_id_tag
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailed
from app.outgoing.signature import SecretCipher, new_secret
from app.types import Json, TenantId

PATH: Final = "/v1/authorization-webhook"


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """A webhook after a change. secret: if it is new; it is never shown again."""

    record: WebhookRecord
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TestQuestion:
    """The subject of a test. charge_point: any identity."""

    __test__ = False

    id_tag: str
    charge_point: str
    connector_id: int | None


@dataclass(frozen=True, slots=True)
class AuthorizationWebhookService:
    """The use cases of authorization webhooks."""

    database: Database
    client: OutgoingClient
    cipher: SecretCipher
    directory: WebhookDirectory
    asker: WebhookAsker
    clock: Clock

    async def get(self, tenant_id: TenantId) -> WebhookRecord:
        """Return the webhook of a tenant.

        Raises:
            NotFound: it has none.
        """
        async with self.database.tenant(tenant_id) as work:
            return _found(await WebhookStore(work).get())

    async def put(self, tenant_id: TenantId, new: NewWebhook, actor: str) -> StoredWebhook:
        """Set the webhook of a tenant. A new one gets a secret; one that exists keeps its own.

        Raises:
            InvalidInput: requests may not go to its URL.
        """
        try:
            self.client.check_url(new.url)
        except OutgoingFailed as failed:
            raise InvalidInput([FieldViolation("/url", failed.reason.value, failed.detail)]) from None
        secret = new_secret()
        encrypted = self.cipher.encrypt(tenant_id, secret)
        async with self.database.tenant(tenant_id) as work:
            record = await WebhookStore(work).put(new, encrypted)
            # The URL may hold a token in its path or query, so that only its host is told.
            details = {
                "url": _without_secrets(new.url),
                "deadline_ms": new.deadline_ms,
                "fallback": new.fallback,
                "asked_about": new.asked_about,
                "cache_s": new.cache_s,
            }
            await self._note(work, actor, "set_authorization_webhook", details)
        await self.directory.refresh()
        return StoredWebhook(record, secret if record.secret == encrypted else None)

    async def replace_secret(self, tenant_id: TenantId, actor: str) -> StoredWebhook:
        """Make another secret. The one before it signs next to it for a while.

        Raises:
            NotFound: the tenant has no webhook.
        """
        secret = new_secret()
        until = self.clock.now() + SECRET_OVERLAP
        async with self.database.tenant(tenant_id) as work:
            stored = await WebhookStore(work).replace_secret(self.cipher.encrypt(tenant_id, secret), until)
            record = _found(stored)
            await self._note(work, actor, "replace_authorization_webhook_secret", {})
        await self.directory.refresh()
        return StoredWebhook(record, secret)

    async def delete(self, tenant_id: TenantId, actor: str) -> None:
        """Remove the webhook of a tenant: what is stored here decides again.

        Raises:
            NotFound: it has none.
        """
        async with self.database.tenant(tenant_id) as work:
            if not await WebhookStore(work).delete():
                raise _not_found()
            await self._note(work, actor, "delete_authorization_webhook", {})
        await self.directory.refresh()
        self.asker.forget(tenant_id)

    async def test(self, tenant_id: TenantId, question: TestQuestion) -> tuple[Attempt, Decision]:
        """Ask the webhook about a tag, and return what came back. Its answer is not kept.

        Raises:
            NotFound: the tenant has no webhook.
        """
        async with self.database.tenant(tenant_id) as work:
            webhook = _found(await WebhookStore(work).get())
            tenant = await WebhookStore(work).tenant_slug()
        return await self.asker.ask(
            webhook,
            TagQuestion(
                tenant_id=tenant_id,
                tenant=tenant,
                charge_point_id=None,
                charge_point=question.charge_point,
                connector_id=question.connector_id,
                id_tag=trim_id_tag(question.id_tag),
                id_tag_key=fold_id_tag(question.id_tag),
                action="Authorize",
                at=self.clock.now(),
                is_test=True,
            ),
        )

    async def attempts(
        self, tenant_id: TenantId, limit: int, after: int | None, filters: AttemptFilter
    ) -> Sequence[Row]:
        """Return the questions that were asked, the newest first. after: id of the last one seen."""
        store = AttemptStore(TenantReads(self.database.reads, tenant_id))
        return await store.page(limit, after, filters)

    async def _note(self, work: TenantWork, actor: str, act: Act, details: Json) -> None:
        entry = NewAuditEntry(work.tenant_id, self.clock.now(), actor, act, PATH, "", details)
        await AuditStore(work).add(entry)


def _without_secrets(url: str) -> str:
    """Return scheme and authority of a URL."""
    return "/".join(url.split("?")[0].split("/")[:3])


def _found(webhook: WebhookRecord | None) -> WebhookRecord:
    if webhook is None:
        raise _not_found()
    return webhook


def _not_found() -> NotFound:
    return NotFound("The tenant has no authorization webhook.")
