"""SQL of bulks."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from app.bulk_commands import tables
from app.bulk_commands.records import BulkRecord
from app.database.repository import Repository, columns_of
from app.database.unit_of_work import PlatformWork
from app.types import TenantId

_TABLE: Final = tables.bulk_commands
_COLUMNS: Final = columns_of(BulkRecord, _TABLE)

_TAKE: Final = text(
    """
    with due as (
        select tenant_id, id from bulk_commands where check_at <= :now
        order by check_at limit :most
        for update skip locked
    )
    update bulk_commands set check_at = :again_at
    from due where bulk_commands.tenant_id = due.tenant_id and bulk_commands.id = due.id
    returning due.tenant_id, due.id
    """
)


class BulkStore(Repository):
    """The bulks of one tenant."""

    async def add(self, record: BulkRecord) -> bool:
        """Store a bulk. False: another one has its idempotency key."""
        values = {name: getattr(record, name) for name in record.__slots__}
        statement = insert(_TABLE).values(values).on_conflict_do_nothing().returning(_TABLE.c.id)
        self.outbox.has_events = True
        return (await self.connection.execute(statement)).one_or_none() is not None

    async def get(self, bulk_id: UUID) -> BulkRecord | None:
        """Return a bulk."""
        return await self._one(_TABLE.c.id == bulk_id)

    async def under_key(self, idempotency_key: str | None) -> BulkRecord | None:
        """Return the bulk under an idempotency key."""
        if idempotency_key is None:
            return None
        return await self._one(_TABLE.c.idempotency_key == idempotency_key)

    async def page(self, limit: int, after: tuple[datetime, UUID] | None = None) -> list[BulkRecord]:
        """Return bulks, the newest first. after: (created_at, id) of the last one that was seen."""
        statement = select(*_COLUMNS).where(_TABLE.c.tenant_id == self.tenant_id)
        if after is not None:
            statement = statement.where(tuple_(_TABLE.c.created_at, _TABLE.c.id) < tuple_(*after))
        statement = statement.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id.desc()).limit(limit)
        return [BulkRecord(*row) for row in await self.connection.execute(statement)]

    async def cancel(self, bulk_id: UUID, at: datetime) -> None:
        """Note that a bulk was cancelled. One that was cancelled or has ended stays as it is."""
        await self._set(
            bulk_id, _TABLE.c.ended_at.is_(None) & _TABLE.c.cancelled_at.is_(None), cancelled_at=at
        )
        self.outbox.has_events = True

    async def end(self, bulk_id: UUID, at: datetime) -> None:
        """Note that a bulk has ended."""
        await self._set(bulk_id, _TABLE.c.ended_at.is_(None), ended_at=at, check_at=None)
        self.outbox.has_events = True

    async def check_later(self, bulk_id: UUID, at: datetime) -> None:
        """Set when a bulk is looked at next."""
        await self._set(bulk_id, _TABLE.c.ended_at.is_(None), check_at=at)

    async def _set(self, bulk_id: UUID, condition: Any, **values: Any) -> None:
        own = (_TABLE.c.tenant_id == self.tenant_id) & (_TABLE.c.id == bulk_id)
        await self.connection.execute(update(_TABLE).where(own, condition).values(**values))

    async def _one(self, condition: Any) -> BulkRecord | None:
        statement = select(*_COLUMNS).where(_TABLE.c.tenant_id == self.tenant_id, condition)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else BulkRecord(*row)


class BulkSweepStore:
    """The bulks of all tenants, for the sweep."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def take(self, now: datetime, again_at: datetime, most: int) -> list[tuple[TenantId, UUID]]:
        """Return bulks to look at. Each is looked at by one worker only, until `again_at`."""
        values = {"now": now, "again_at": again_at, "most": most}
        rows = await self.connection.execute(_TAKE, values)
        return [(TenantId(row.tenant_id), row.id) for row in rows]
