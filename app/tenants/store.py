"""SQL of tenants and API keys. The stores need a unit of work above the tenants."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.database.repository import columns_of
from app.database.schema import metadata
from app.database.unit_of_work import PlatformWork
from app.errors import Conflict
from app.ocpp.v16 import RegistrationStatus
from app.tenants import tables
from app.tenants.records import ApiKeyRecord, TenantRecord

_TENANTS = tables.tenants
_TENANT_COLUMNS = columns_of(TenantRecord, _TENANTS)
_KEYS = tables.api_keys
_KEY_COLUMNS = columns_of(ApiKeyRecord, _KEYS)
_CHANGEABLE = frozenset(
    {"name", "strict_protocol", "default_registration", "minimum_security_profile", "allowed_origins"}
    | {"suspended_at", "suspension_reason", "deleted_at"}
)


class TenantStore:
    """All tenants of the platform."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def create(
        self,
        slug: str,
        name: str,
        *,
        strict_protocol: bool = False,
        default_registration: RegistrationStatus = "Accepted",
    ) -> TenantRecord:
        """Create a tenant. slug: `[a-z0-9-]{1,40}`.

        Raises:
            Conflict: the slug is taken.
        """
        statement = insert(_TENANTS).values(
            slug=slug,
            name=name,
            strict_protocol=strict_protocol,
            default_registration=default_registration,
            created_at=func.now(),
        )
        try:
            row = (await self.connection.execute(statement.returning(*_TENANT_COLUMNS))).one()
        except IntegrityError as error:
            if "uq_tenants_slug" not in str(error):
                raise
            raise Conflict(f"The tenant {slug!r} exists already.", "slug") from None
        return TenantRecord(*row)

    async def get(self, tenant_id: int) -> TenantRecord | None:
        """Return a tenant by its primary key."""
        return await self._one(_TENANTS.c.id == tenant_id)

    async def by_slug(self, slug: str, *, to_change: bool = False) -> TenantRecord | None:
        """Return a tenant by its name in URLs.

        to_change: lock it until the end of this transaction.
        """
        return await self._one(_TENANTS.c.slug == slug, to_change)

    async def page(self, limit: int, after: str | None = None) -> list[TenantRecord]:
        """Return tenants in the order of their slug. after: slug of the last one seen."""
        statement = select(*_TENANT_COLUMNS).order_by(_TENANTS.c.slug).limit(limit)
        if after is not None:
            statement = statement.where(_TENANTS.c.slug > after)
        return [TenantRecord(*row) for row in await self.connection.execute(statement)]

    async def update(self, slug: str, **changes: Any) -> TenantRecord | None:
        """Change some of the changeable columns of a tenant; None: it does not exist."""
        _refuse_unknown(changes)
        if not changes:
            return await self.by_slug(slug)
        statement = (
            update(_TENANTS).where(_TENANTS.c.slug == slug).values(**changes).returning(*_TENANT_COLUMNS)
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return TenantRecord(*row) if row is not None else None

    async def delete_rows(self, tenant_id: int, kept: Collection[str]) -> None:
        """Delete the rows of a tenant in all tables but some. kept: the names of these tables."""
        for table in reversed(metadata.sorted_tables):
            if "tenant_id" in table.c and table.name not in kept:
                await self.connection.execute(delete(table).where(table.c.tenant_id == tenant_id))

    async def delete(self, tenant_id: int) -> bool:
        """Delete a tenant and the rows that the database deletes with it. False: it does not exist."""
        statement = delete(_TENANTS).where(_TENANTS.c.id == tenant_id).returning(_TENANTS.c.id)
        return (await self.connection.execute(statement)).one_or_none() is not None

    async def _one(self, condition: Any, to_change: bool = False) -> TenantRecord | None:
        statement = select(*_TENANT_COLUMNS).where(condition)
        if to_change:
            statement = statement.with_for_update(key_share=True)
        row = (await self.connection.execute(statement)).one_or_none()
        return TenantRecord(*row) if row is not None else None


def _refuse_unknown(changes: dict[str, Any]) -> None:
    unknown = changes.keys() - _CHANGEABLE
    if unknown:
        raise TypeError(f"a tenant's {sorted(unknown)} cannot be changed")


class ApiKeyStore:
    """The API keys of all tenants and of the platform. Secrets are stored only as hashes."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def create(self, key: ApiKeyRecord) -> ApiKeyRecord:
        """Store a key of a tenant, or of the platform (tenant_id None)."""
        statement = insert(_KEYS).values(
            id=key.id,
            tenant_id=key.tenant_id,
            name=key.name,
            prefix=key.prefix,
            secret_hash=key.secret_hash,
            scopes=list(key.scopes),
            expires_at=key.expires_at,
            created_at=func.now(),
        )
        return ApiKeyRecord(*(await self.connection.execute(statement.returning(*_KEY_COLUMNS))).one())

    async def find_by_prefix(self, prefix: str) -> ApiKeyRecord | None:
        """Return the key with the prefix of a token. The caller compares the secret."""
        statement = select(*_KEY_COLUMNS).where(_KEYS.c.prefix == prefix)
        row = (await self.connection.execute(statement)).one_or_none()
        return ApiKeyRecord(*row) if row is not None else None

    async def list(self, tenant_id: int | None) -> list[ApiKeyRecord]:
        """Return the keys of a tenant, or of the platform (None), the oldest first."""
        statement = select(*_KEY_COLUMNS).where(_KEYS.c.tenant_id.is_not_distinct_from(tenant_id))
        rows = await self.connection.execute(statement.order_by(_KEYS.c.created_at, _KEYS.c.id))
        return [ApiKeyRecord(*row) for row in rows]

    async def revoke(self, key_id: UUID, at: datetime) -> bool:
        """Revoke a key. False: it does not exist, or was revoked before."""
        statement = update(_KEYS).where(_KEYS.c.id == key_id, _KEYS.c.revoked_at.is_(None))
        revoked = statement.values(revoked_at=at).returning(_KEYS.c.id)
        return (await self.connection.execute(revoked)).one_or_none() is not None

    async def touch(self, key_id: UUID, at: datetime) -> None:
        """Store when a key was used. Callers do this at most once a minute for each key."""
        await self.connection.execute(update(_KEYS).where(_KEYS.c.id == key_id).values(last_used_at=at))
