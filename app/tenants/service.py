"""The use cases of tenants and API keys."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.acting import note_audited
from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.clock import Clock
from app.database.database import Database
from app.database.unit_of_work import PlatformWork, TenantWork
from app.errors import FieldViolation, InvalidInput, NotFound, Unauthorized
from app.logs import get_logger
from app.tenants.key_audit import audit_key
from app.tenants.records import ApiKeyRecord, NewApiKeyFacts, NewTenantFacts, TenantRecord
from app.tenants.rules import DELETED, KEPT_TABLES, changed_columns
from app.tenants.store import ApiKeyStore, TenantStore
from app.types import Json, TenantId
from app.web.minted_keys import mint_key
from app.web.tokens import StoredKey, TokenVerifier

_LOG = get_logger(__name__)

AfterDelete = Callable[[], Awaitable[None]]
DeleteOfTenant = Callable[[PlatformWork, TenantId], Awaitable[AfterDelete | None]]
"""Deletes the rows of a tenant in one capability. It returns what to do after the commit."""
KeepBills = Callable[[PlatformWork, TenantId], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class TenantService:
    """The use cases of tenants.

    keep_bills: deletes what belongs to no bill among the rows that bills need; False: there are no bills.
    deletions: functions that delete the rows of a tenant that the database does not delete by itself, in the
        order of their calls. `main` adds those of the other capabilities.
    """

    database: Database
    tokens: TokenVerifier
    clock: Clock
    keep_bills: KeepBills
    deletions: list[DeleteOfTenant] = field(default_factory=list)

    async def own(self, tenant_id: TenantId) -> TenantRecord:
        """Return the tenant of a caller.

        Raises:
            Unauthorized: the tenant has just been deleted, together with its keys.
        """
        async with self.database.platform() as work:
            tenant = await TenantStore(work).get(tenant_id)
        if tenant is None:
            raise Unauthorized
        return tenant

    async def page(self, limit: int, after: str | None) -> list[TenantRecord]:
        """Return tenants in the order of their slug. after: slug of the last one seen."""
        async with self.database.platform() as work:
            return await TenantStore(work).page(limit, after)

    async def get(self, slug: str) -> TenantRecord:
        """Return the tenant of this slug.

        Raises:
            NotFound: the tenant does not exist.
        """
        async with self.database.platform() as work:
            return await _existing_tenant(work, slug)

    async def create(self, facts: NewTenantFacts, actor: str) -> TenantRecord:
        """Create a tenant.

        Args:
            facts: What is known of it.
            actor: Who creates it, for its audit.

        Raises:
            Conflict: the slug is taken.
        """
        async with self.database.platform() as work:
            record = await TenantStore(work).create(
                facts.slug,
                facts.name,
                strict_protocol=facts.strict_protocol,
                default_registration=facts.default_registration,
            )
            await self._audit(work, record, "create_tenant", actor, {"name": record.name})
        return record

    async def change(
        self,
        slug: str,
        changes: Mapping[str, Any],
        actor: str,
        compare: Callable[[TenantRecord], None] = lambda _: None,
    ) -> TenantRecord:
        """Change a tenant.

        Args:
            slug: Which one.
            changes: The new values of columns.
            actor: Who changes it, for its audit.
            compare: Called with the locked record before it changes; what it raises cancels the change.

        Raises:
            NotFound: the tenant does not exist.
        """
        async with self.database.platform() as work:
            record = await _existing_tenant(work, slug, to_change=True)
            compare(record)
            if columns := changed_columns(record, changes, self.clock.now()):
                record = await TenantStore(work).update(slug, **columns) or record
            told = {
                name: list(value) if isinstance(value, tuple) else value for name, value in changes.items()
            }
            await self._audit(work, record, "change_tenant", actor, told)
        self.tokens.forget()
        return record

    async def allow_origins(
        self,
        tenant_id: TenantId,
        origins: tuple[str, ...],
        actor: str,
        compare: Callable[[TenantRecord], None],
    ) -> TenantRecord:
        """Set the origins whose web pages may read answers to the keys of a tenant.

        Args:
            tenant_id: The tenant.
            origins: All of them.
            actor: Who sets them.
            compare: As of `change`.
        """
        slug = (await self.own(tenant_id)).slug
        return await self.change(slug, {"allowed_origins": origins}, actor, compare)

    async def delete(self, slug: str, actor: str) -> None:
        """Delete a tenant with everything that it has, except billing records.

        If it has some, it stays with them, and is kept out. They can be read if it is let in again.

        Raises:
            NotFound: the tenant does not exist.
        """
        async with self.database.platform() as work:
            tenant, store = await _existing_tenant(work, slug, to_change=True), TenantStore(work)
            tenant_id = TenantId(tenant.id)
            afterwards = [await delete(work, tenant_id) for delete in self.deletions]
            if await self.keep_bills(work, tenant_id):
                await store.delete_rows(tenant_id, KEPT_TABLES)
                now = self.clock.now()
                await store.update(slug, suspended_at=now, suspension_reason=DELETED, deleted_at=now)
                await self._audit(work, tenant, "delete_tenant", actor, {})
            else:
                await store.delete(tenant_id)
        self.tokens.forget()
        _LOG.info("tenant_deleted", tenant=slug, actor=actor)
        for after_delete in afterwards:
            if after_delete is not None:
                await after_delete()

    async def _audit(
        self, work: PlatformWork, tenant: TenantRecord, act: Act, actor: str, details: Json
    ) -> None:
        path = f"/v1/tenants/{tenant.slug}"
        entry = NewAuditEntry(tenant.id, self.clock.now(), actor, act, path, "", details)
        await AuditStore(TenantWork(work.connection, TenantId(tenant.id))).add(entry)


@dataclass(frozen=True, slots=True)
class ApiKeyService:
    """The use cases of API keys: those of one tenant, or of the platform (tenant_id None).

    Each tenant finds in its audit who has made and revoked its keys. The platform has no audit.
    """

    database: Database
    tokens: TokenVerifier
    clock: Clock
    pepper: str

    async def list(self, tenant_id: int | None) -> list[ApiKeyRecord]:
        """Return all keys, the oldest first, including revoked ones."""
        async with self.database.platform() as work:
            return await ApiKeyStore(work).list(tenant_id)

    async def get(self, tenant_id: int | None, key_id: uuid.UUID) -> ApiKeyRecord:
        """Return one key.

        Raises:
            NotFound: the tenant, or the platform, does not have this key.
        """
        for record in await self.list(tenant_id):
            if record.id == key_id:
                return record
        raise NotFound("There is no such API key.", "key_id")

    async def create(
        self, tenant_id: int | None, facts: NewApiKeyFacts, actor: str
    ) -> tuple[ApiKeyRecord, str]:
        """Create a key. Return it with its token, which is not stored.

        Args:
            actor: Who creates it, for the audit.

        Raises:
            InvalidInput: the time of expiry is in the past, or a key of a tenant would have `metrics`.
        """
        now = self.clock.now()
        if tenant_id is not None and "metrics" in facts.scopes:
            raise InvalidInput([FieldViolation("/scopes", "platform_only", "metrics is for the platform")])
        if facts.expires_at is not None and facts.expires_at <= now:
            raise InvalidInput([FieldViolation("/expires_at", "in_the_past", "is in the past")])
        minted = mint_key(self.pepper)
        record = ApiKeyRecord(
            id=uuid.uuid4(),
            tenant_id=tenant_id,
            name=facts.name,
            prefix=minted.prefix,
            secret_hash=minted.secret_hash,
            scopes=tuple(dict.fromkeys(facts.scopes)),
            expires_at=facts.expires_at,
            revoked_at=None,
            created_at=now,
            last_used_at=None,
        )
        async with self.database.platform() as work:
            stored = await ApiKeyStore(work).create(record)
            await audit_key(work, stored, "create_api_key", actor, now)
        return stored, minted.token

    async def revoke(self, tenant_id: int | None, key_id: uuid.UUID, actor: str) -> None:
        """Revoke a key. A second call changes nothing.

        Args:
            actor: Who revokes it, for the audit.

        Raises:
            NotFound: the tenant, or the platform, does not have this key.
        """
        record = await self.get(tenant_id, key_id)
        async with self.database.platform() as work:
            now = self.clock.now()
            if await ApiKeyStore(work).revoke(record.id, now):
                await audit_key(work, record, "revoke_api_key", actor, now)
            else:
                note_audited()
        self.tokens.forget()


@dataclass(frozen=True, slots=True)
class ApiKeyLookup:
    """The API keys of all tenants and of the platform, for the verification of tokens."""

    database: Database

    async def find(self, prefix: str) -> StoredKey | None:
        """Return the key of this prefix, whether or not it is usable."""
        async with self.database.platform() as work:
            record = await ApiKeyStore(work).find_by_prefix(prefix)
            if record is None:
                return None
            tenant = None if record.tenant_id is None else await TenantStore(work).get(record.tenant_id)
        return StoredKey(
            id=record.id,
            prefix=record.prefix,
            secret_hash=record.secret_hash,
            tenant_id=None if record.tenant_id is None else TenantId(record.tenant_id),
            scopes=frozenset(record.scopes),
            expires_at=record.expires_at,
            revoked_at=record.revoked_at,
            last_used_at=record.last_used_at,
            allowed_origins=() if tenant is None else tenant.allowed_origins,
            suspension_reason=None if tenant is None else tenant.suspension_reason,
        )

    async def touch(self, key_id: uuid.UUID, at: datetime) -> None:
        """Record that a key was used."""
        async with self.database.platform() as work:
            await ApiKeyStore(work).touch(key_id, at)


async def _existing_tenant(work: PlatformWork, slug: str, *, to_change: bool = False) -> TenantRecord:
    record = await TenantStore(work).by_slug(slug, to_change=to_change)
    if record is None:
        raise NotFound("There is no such tenant.", "slug")
    return record
