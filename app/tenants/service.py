"""The use cases of tenants and API keys."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.clock import Clock
from app.database.database import Database
from app.database.unit_of_work import PlatformWork
from app.errors import FieldViolation, InvalidInput, NotFound, Unauthorized
from app.tenants.records import ApiKeyRecord, NewApiKeyFacts, NewTenantFacts, TenantRecord
from app.tenants.store import ApiKeyStore, TenantStore
from app.types import TenantId
from app.web.tokens import StoredKey, TokenVerifier, mint_key

AfterDelete = Callable[[], Awaitable[None]]
DeleteOfTenant = Callable[[PlatformWork, TenantId], Awaitable[AfterDelete | None]]
"""Deletes the rows of a tenant in one capability. It returns what to do after the commit."""


@dataclass(frozen=True, slots=True)
class TenantService:
    """The use cases of tenants.

    deletions: functions that delete the rows of a tenant that the database does not delete by itself, in the
        order of their calls. `main` adds those of the other capabilities.
    """

    database: Database
    tokens: TokenVerifier
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

    async def create(self, facts: NewTenantFacts) -> TenantRecord:
        """Create a tenant.

        Raises:
            Conflict: the slug is taken.
        """
        async with self.database.platform() as work:
            return await TenantStore(work).create(
                facts.slug,
                facts.name,
                strict_protocol=facts.strict_protocol,
                default_registration=facts.default_registration,
            )

    async def change(
        self, slug: str, changes: Mapping[str, Any], compare: Callable[[TenantRecord], None]
    ) -> TenantRecord:
        """Change a tenant.

        Args:
            compare: Called with the locked record before it changes; what it raises cancels the change.

        Raises:
            NotFound: the tenant does not exist.
        """
        async with self.database.platform() as work:
            record = await _existing_tenant(work, slug, to_change=True)
            compare(record)
            if changes:
                record = await TenantStore(work).update(slug, **changes) or record
        return record

    async def delete(self, slug: str) -> None:
        """Delete a tenant with everything that it has, including billing records.

        Raises:
            NotFound: the tenant does not exist.
        """
        async with self.database.platform() as work:
            tenant = await _existing_tenant(work, slug)
            afterwards = [await delete(work, TenantId(tenant.id)) for delete in self.deletions]
            await TenantStore(work).delete(slug)
        self.tokens.forget()
        for after_delete in afterwards:
            if after_delete is not None:
                await after_delete()


@dataclass(frozen=True, slots=True)
class ApiKeyService:
    """The use cases of API keys: those of one tenant, or of the platform (tenant_id None)."""

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

    async def create(self, tenant_id: int | None, facts: NewApiKeyFacts) -> tuple[ApiKeyRecord, str]:
        """Create a key. Return it with its token, which is not stored.

        Raises:
            InvalidInput: the time of expiry is in the past.
        """
        now = self.clock.now()
        if facts.expires_at is not None and facts.expires_at <= now:
            raise InvalidInput([FieldViolation("/expires_at", "in_the_past", "lies in the past")])
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
        return stored, minted.token

    async def revoke(self, tenant_id: int | None, key_id: uuid.UUID) -> None:
        """Revoke a key. A second call changes nothing.

        Raises:
            NotFound: the tenant, or the platform, does not have this key.
        """
        record = await self.get(tenant_id, key_id)
        async with self.database.platform() as work:
            await ApiKeyStore(work).revoke(record.id, self.clock.now())
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
        return StoredKey(
            id=record.id,
            prefix=record.prefix,
            secret_hash=record.secret_hash,
            tenant_id=None if record.tenant_id is None else TenantId(record.tenant_id),
            scopes=frozenset(record.scopes),
            expires_at=record.expires_at,
            revoked_at=record.revoked_at,
            last_used_at=record.last_used_at,
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
