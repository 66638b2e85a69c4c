"""Tells which tags may charge at tenants that may have a webhook: asks it, or what is stored here."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime

from app.authorization_webhooks.asker import WebhookAsker
from app.authorization_webhooks.directory import WebhookDirectory
from app.authorization_webhooks.records import AskingAction, Decision, TagQuestion, WebhookRecord
from app.authorization_webhooks.rules import is_asked
from app.connection import Connection
from app.database.text import clean_text
from app.id_tags.rules import fold_id_tag, trim_id_tag
from app.id_tags.service import Authorizer
from app.types import Json


@dataclass(frozen=True, slots=True)
class Presentation:
    """A tag that a charge point presents. connector_id: if the message names it; at: its time."""

    action: AskingAction
    id_tag: str
    at: datetime
    connector_id: int | None = None


@dataclass(frozen=True, slots=True)
class ExternalAuthorizer:
    """Tells which tags may charge. local: what is stored here."""

    local: Authorizer
    webhooks: WebhookDirectory
    asker: WebhookAsker

    @property
    def asking_tenants(self) -> Container[int]:
        """The tenants whose questions may have to wait for a webhook, as they are now."""
        return self.webhooks.tenants

    async def stop(self) -> None:
        """End all questions. What is asked or begins to ask gets the fallback of its webhook."""
        await self.asker.stop()

    async def authorize(self, connection: Connection, id_tag: str, at: datetime) -> Json:
        """Return the `idTagInfo` of a tag that a charge point asks for, whatever text it names."""
        tenant_id, charge_point_id = connection.tenant_id, connection.charge_point_id
        webhook = self.webhooks.get(tenant_id)
        if webhook is not None:
            decision = await self._decide(webhook, connection, Presentation("Authorize", id_tag, at))
            if decision is not None and decision.info is not None:
                return decision.info
        return await self.local.authorize(tenant_id, charge_point_id, id_tag, at)

    async def decide(self, connection: Connection, presented: Presentation) -> Decision | None:
        """Return what the webhook of a tenant decides, or its fallback. None: it is not asked about the tag.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        webhook = self.webhooks.get(connection.tenant_id)
        return None if webhook is None else await self._decide(webhook, connection, presented)

    async def _decide(
        self, webhook: WebhookRecord, connection: Connection, presented: Presentation
    ) -> Decision | None:
        tenant_id, charge_point_id = connection.tenant_id, connection.charge_point_id
        id_tag = trim_id_tag(clean_text(presented.id_tag))
        key = fold_id_tag(id_tag)
        is_stored = False
        if webhook.asked_about == "unknown_tags" and key:
            tag, _ = await self.local.find(tenant_id, charge_point_id, id_tag)
            is_stored = tag is not None
        if not is_asked(webhook.asked_about, key, is_stored=is_stored):
            return None
        question = TagQuestion(
            tenant_id=tenant_id,
            tenant=connection.tenant_slug,
            charge_point_id=charge_point_id,
            charge_point=connection.identity,
            connector_id=presented.connector_id,
            id_tag=id_tag,
            id_tag_key=key,
            action=presented.action,
            at=presented.at,
        )
        return await self.asker.decide(webhook, question)
