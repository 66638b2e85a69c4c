"""Use cases of DataTransfer: subscriptions, and the messages that were exchanged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.clock import Clock
from app.data_transfer.directory import SubscriptionDirectory
from app.data_transfer.records import NewSubscription, SubscriptionRecord, TransferFilter
from app.data_transfer.rules import SECRET_OVERLAP, SUBSCRIPTIONS_OF_TENANT
from app.data_transfer.store import SubscriptionStore, TransferReads
from app.database.database import Database
from app.database.prepared import Row
from app.database.unit_of_work import TenantReads, TenantWork
from app.errors import Conflict, FieldViolation, InvalidInput, NotFound
from app.metrics import LIMITS_HIT
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailed
from app.outgoing.signature import SecretCipher, new_secret
from app.types import Json, TenantId

PATH: Final = "/v1/data-transfer-subscriptions"


@dataclass(frozen=True, slots=True)
class StoredSubscription:
    """A subscription after a change. secret: if it is new; it is never shown again."""

    record: SubscriptionRecord
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DataTransferService:
    """The use cases of DataTransfer."""

    database: Database
    directory: SubscriptionDirectory
    client: Callable[[], OutgoingClient]
    cipher: SecretCipher
    clock: Clock

    async def all(self, tenant_id: TenantId) -> list[SubscriptionRecord]:
        """Return the subscriptions of a tenant, by vendor and message."""
        async with self.database.tenant(tenant_id) as work:
            return await SubscriptionStore(work).all()

    async def get(self, tenant_id: TenantId, subscription_id: UUID) -> SubscriptionRecord:
        """Return one subscription.

        Raises:
            NotFound: there is none of this id.
        """
        async with self.database.tenant(tenant_id) as work:
            return _found(await SubscriptionStore(work).get(subscription_id))

    async def create(self, tenant_id: TenantId, new: NewSubscription, actor: str) -> StoredSubscription:
        """Make a subscription, with a secret that signs the requests to its webhook.

        Raises:
            Conflict: there is one of the same vendor and message, or the tenant has too many.
            InvalidInput: requests may not go to its URL.
        """
        self._check_url(new.url)
        secret = new_secret()
        async with self.database.tenant(tenant_id) as work:
            store = SubscriptionStore(work)
            await store.lock()
            if len(await store.all()) >= SUBSCRIPTIONS_OF_TENANT:
                LIMITS_HIT.labels("data_transfer_subscriptions").inc()
                raise Conflict(f"A tenant has up to {SUBSCRIPTIONS_OF_TENANT} subscriptions.")
            encrypted = self.cipher.encrypt(tenant_id, secret)
            record = await store.add(new, encrypted, self.clock.now())
            await self._note(work, actor, "create_data_transfer_subscription", record)
        await self.directory.refresh()
        return StoredSubscription(record, secret)

    async def replace(
        self, tenant_id: TenantId, subscription_id: UUID, new: NewSubscription, actor: str
    ) -> SubscriptionRecord:
        """Replace what an operator sets of a subscription. Its secret stays.

        Raises:
            NotFound: there is none of this id.
            Conflict: another one has the same vendor and message.
            InvalidInput: requests may not go to its URL.
        """
        self._check_url(new.url)
        async with self.database.tenant(tenant_id) as work:
            record = _found(await SubscriptionStore(work).replace(subscription_id, new, self.clock.now()))
            await self._note(work, actor, "change_data_transfer_subscription", record)
        await self.directory.refresh()
        return record

    async def replace_secret(
        self, tenant_id: TenantId, subscription_id: UUID, actor: str
    ) -> StoredSubscription:
        """Make another secret. The one before it signs next to it for a day.

        Raises:
            NotFound: there is none of this id.
        """
        secret, now = new_secret(), self.clock.now()
        encrypted = self.cipher.encrypt(tenant_id, secret)
        async with self.database.tenant(tenant_id) as work:
            store = SubscriptionStore(work)
            record = _found(await store.replace_secret(subscription_id, encrypted, now + SECRET_OVERLAP, now))
            await self._note(work, actor, "replace_data_transfer_secret", record)
        await self.directory.refresh()
        return StoredSubscription(record, secret)

    async def delete(self, tenant_id: TenantId, subscription_id: UUID, actor: str) -> None:
        """Remove a subscription.

        Raises:
            NotFound: there is none of this id.
        """
        async with self.database.tenant(tenant_id) as work:
            record = _found(await SubscriptionStore(work).delete(subscription_id))
            await self._note(work, actor, "delete_data_transfer_subscription", record)
        await self.directory.refresh()

    async def transfers(
        self, tenant_id: TenantId, limit: int, after: int | None, filters: TransferFilter
    ) -> Sequence[Row]:
        """Return the messages that were exchanged, the newest first. after: id of the last one seen."""
        reads = TransferReads(TenantReads(self.database.reads, tenant_id))
        return await reads.page(limit, after, filters)

    def _check_url(self, url: str | None) -> None:
        if url is None:
            return
        try:
            self.client().check_url(url)
        except OutgoingFailed as failed:
            raise InvalidInput([FieldViolation("/url", failed.reason.value, failed.detail)]) from None

    async def _note(self, work: TenantWork, actor: str, act: Act, record: SubscriptionRecord) -> None:
        # The URL may hold a token in its path or query, so that only its host is told.
        url = None if record.url is None else "/".join(record.url.split("?")[0].split("/")[:3])
        details: Json = {
            "vendor_id": record.vendor_id,
            "message_id": record.message_id,
            "status": record.status,
            "url": url,
        }
        entry = NewAuditEntry(
            work.tenant_id, self.clock.now(), actor, act, f"{PATH}/{record.id}", "", details
        )
        await AuditStore(work).add(entry)


def _found(record: SubscriptionRecord | None) -> SubscriptionRecord:
    if record is None:
        raise NotFound("There is no such subscription.", "subscription_id")
    return record
