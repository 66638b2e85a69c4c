"""API keys: of one tenant (`ApiKeys`) and of the whole platform (`PlatformApiKeys`).

Only hashes are stored; the token `sm_<prefix>_<secret>` is shown once by whoever made it.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Update, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.repository import Repository, columns_of
from app.database.unit_of_work import PlatformWork
from app.tenants import tables
from app.tenants.records import ApiKeyRecord

_TABLE = tables.api_keys
_COLUMNS = columns_of(ApiKeyRecord, _TABLE)


class ApiKeyStore(Repository):
    """The keys of one tenant."""

    async def create(self, key: ApiKeyRecord) -> ApiKeyRecord:
        """Store a key; its tenant_id is replaced by the tenant's own, created_at by the present."""
        return await _create(self.connection, key, self.tenant_id)

    async def get(self, key_id: UUID) -> ApiKeyRecord | None:
        """Return one key."""
        statement = select(*_COLUMNS).where(_TABLE.c.id == key_id, _TABLE.c.tenant_id == self.tenant_id)
        row = (await self.connection.execute(statement)).one_or_none()
        return ApiKeyRecord(*row) if row is not None else None

    async def list(self) -> list[ApiKeyRecord]:
        """Return all keys, the oldest first, the revoked ones included."""
        statement = select(*_COLUMNS).where(_TABLE.c.tenant_id == self.tenant_id)
        rows = await self.connection.execute(statement.order_by(_TABLE.c.created_at, _TABLE.c.id))
        return [ApiKeyRecord(*row) for row in rows]

    async def revoke(self, key_id: UUID, at: datetime) -> bool:
        """End a key. False: there is no such key, or it was revoked before."""
        statement = update(_TABLE).where(_TABLE.c.id == key_id, _TABLE.c.tenant_id == self.tenant_id)
        return await _revoke(self.connection, statement, at)


class PlatformApiKeyStore:
    """The keys of all tenants and of the platform."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def create(self, key: ApiKeyRecord) -> ApiKeyRecord:
        """Store a key for the tenant it names, or for the platform (tenant_id None)."""
        return await _create(self.connection, key, key.tenant_id)

    async def find_by_prefix(self, prefix: str) -> ApiKeyRecord | None:
        """Return the key that a token's prefix names; the caller compares the secret."""
        statement = select(*_COLUMNS).where(_TABLE.c.prefix == prefix)
        row = (await self.connection.execute(statement)).one_or_none()
        return ApiKeyRecord(*row) if row is not None else None

    async def list(self, tenant_id: int | None) -> list[ApiKeyRecord]:
        """Return the keys of a tenant, or the platform's own (None), the oldest first."""
        statement = select(*_COLUMNS).where(_TABLE.c.tenant_id.is_not_distinct_from(tenant_id))
        rows = await self.connection.execute(statement.order_by(_TABLE.c.created_at, _TABLE.c.id))
        return [ApiKeyRecord(*row) for row in rows]

    async def revoke(self, key_id: UUID, at: datetime) -> bool:
        """End a key. False: there is no such key, or it was revoked before."""
        return await _revoke(self.connection, update(_TABLE).where(_TABLE.c.id == key_id), at)

    async def touch(self, key_id: UUID, at: datetime) -> None:
        """Note that a key was used; callers do this at most once a minute per key."""
        await self.connection.execute(update(_TABLE).where(_TABLE.c.id == key_id).values(last_used_at=at))


async def _create(connection: AsyncConnection, key: ApiKeyRecord, tenant_id: int | None) -> ApiKeyRecord:
    statement = insert(_TABLE).values(
        id=key.id,
        tenant_id=tenant_id,
        name=key.name,
        prefix=key.prefix,
        secret_hash=key.secret_hash,
        scopes=list(key.scopes),
        expires_at=key.expires_at,
        created_at=func.now(),
    )
    row = (await connection.execute(statement.returning(*_COLUMNS))).one()
    return ApiKeyRecord(*row)


async def _revoke(connection: AsyncConnection, statement: Update, at: datetime) -> bool:
    revoked = statement.where(_TABLE.c.revoked_at.is_(None)).values(revoked_at=at).returning(_TABLE.c.id)
    return (await connection.execute(revoked)).one_or_none() is not None
