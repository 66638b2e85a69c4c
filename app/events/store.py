"""SQL of events: number those that are committed, read them in their order, delete old ones."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from app.database.partitions import EVENTS, drop_partitions, partitions_of
from app.database.prepared import Connection, Prepared, Row
from app.database.statements import Statement
from app.database.unit_of_work import PlatformWork
from app.events.records import EventFilter, Numbered
from app.types import TenantId

NUMBERED_AT_ONCE: Final = 5000
"""The most events of one numbering, which takes PostgreSQL some dozen milliseconds."""

# Any number that is the same in each process.
_LOCK: Final = 7_216_042_715
_TRY_LOCK: Final = "select pg_try_advisory_xact_lock($1)"

# Ids follow the locks of rows: what changed a row later has the higher id. Positions follow the commits.
_NUMBER: Final = """
    with numbered as (
        select tenant_id, id, recorded_at, transaction_id, nextval('event_positions') as position
        from (
            select tenant_id, id, recorded_at,
                case when type like 'transaction.%' then (data ->> 'id')::integer end as transaction_id
            from events where position is null order by id limit $1
        ) as waiting
    ),
    -- Where the change of each transaction is in the order: a poll reads them by it.
    changed as (
        insert into transaction_positions (tenant_id, transaction_id, position)
        select tenant_id, transaction_id, max(position) from numbered
        where transaction_id is not null group by tenant_id, transaction_id
        on conflict (tenant_id, transaction_id) do update set position = excluded.position
    )
    update events set position = numbered.position from numbered
    where events.tenant_id = numbered.tenant_id and events.id = numbered.id
        and events.recorded_at = numbered.recorded_at
    returning events.tenant_id, events.position
"""

# A batch of meter values is of many charge points: the filter by them comes after it was unpacked.
_READ: Final = Statement(
    text(
        """
        select position, type, version, identity as charge_point, occurred_at, recorded_at,
            data::text as data, packed
        from events
        left join charge_points on charge_points.tenant_id = events.tenant_id
            and charge_points.id = events.charge_point_id
        where events.tenant_id = cast(:tenant_id as bigint) and position > cast(:after as bigint)
            and (cast(:types as text[]) is null or type = any(cast(:types as text[])))
            and (cast(:charge_points as text[]) is null or packed is not null
                or identity = any(cast(:charge_points as text[])))
        order by position limit cast(:limit as bigint)
        """
    )
)
_NEWEST: Final = Statement(
    text(
        """
        select greatest(
            coalesce((select position from events where tenant_id = cast(:tenant_id as bigint)
                and position is not null order by position desc limit 1), 0),
            coalesce((select position from event_floors where tenant_id = cast(:tenant_id as bigint)), 0)
        ) as position
        """
    )
)
_IDENTITIES: Final = Statement(
    text(
        """
        select id, identity from charge_points
        where tenant_id = cast(:tenant_id as bigint) and id = any(cast(:ids as bigint[]))
        """
    )
)
_FLOOR: Final = Statement(
    text("select position from event_floors where tenant_id = cast(:tenant_id as bigint)")
)

_NOTE_FLOORS: Final = """
    insert into event_floors (tenant_id, position)
    select tenant_id, max(position) from events
    join tenants on tenants.id = events.tenant_id
    where recorded_at < $1 and position is not null group by tenant_id
    on conflict (tenant_id) do update set position = greatest(event_floors.position, excluded.position)
"""
_DELETE_OF_TENANT: Final = text("delete from events where tenant_id = :tenant_id")
_DELETE_POSITIONS_OF_TENANT: Final = text("delete from transaction_positions where tenant_id = :tenant_id")


async def number_events(connection: Connection) -> Numbered | None:
    """Give committed events their positions, in the order of their ids. None: another process does it now.

    The lock is taken by a statement of its own, so that the snapshot of the next one is younger: it sees what
    was committed before the lock was free, and no position of an earlier numbering comes after its own.
    """
    async with connection.transaction():
        if not await connection.fetchval(_TRY_LOCK, _LOCK):
            return None
        rows = await connection.fetch(_NUMBER, NUMBERED_AT_ONCE)
    positions: dict[TenantId, int] = {}
    for tenant_id, position in rows:
        positions[tenant_id] = max(position, positions.get(tenant_id, 0))
    return Numbered(positions, len(rows), len(rows) < NUMBERED_AT_ONCE)


class EventReads:
    """Reads the events of one tenant."""

    __slots__ = ("_run", "_tenant_id")

    def __init__(self, reads: Prepared, tenant_id: TenantId) -> None:
        self._run = reads.of(tenant_id)
        self._tenant_id = tenant_id

    async def page(self, after: int, limit: int, filters: EventFilter) -> Sequence[Row]:
        """Return events behind a position. Batches of meter values are packed, and of any charge point."""
        values: Mapping[str, Any] = {
            "tenant_id": self._tenant_id,
            "after": after,
            "limit": limit,
            "types": sorted(filters.types) or None,
            "charge_points": sorted(filters.charge_points) or None,
        }
        return await self._run(_READ, values)

    async def identities(self, ids: Sequence[int]) -> dict[int, str]:
        """Return the identities of charge points by their ids. Those that were deleted have none."""
        rows = await self._run(_IDENTITIES, {"tenant_id": self._tenant_id, "ids": list(ids)})
        return {row["id"]: row["identity"] for row in rows}

    async def newest(self) -> int:
        """Return the position of the newest event, 0 if there is none."""
        [row] = await self._run(_NEWEST, {"tenant_id": self._tenant_id})
        newest: int = row["position"]
        return newest

    async def floor(self) -> int:
        """Return the position up to which events were deleted because of their age, 0 for none."""
        rows = await self._run(_FLOOR, {"tenant_id": self._tenant_id})
        return int(rows[0]["position"]) if rows else 0


async def drop_events(connection: Connection, before: datetime) -> int:
    """Drop the days that ended before a time, and note for each tenant up to where. Return their number."""
    ended = [
        partition.until
        for partition in await partitions_of(connection, EVENTS)
        if partition.until is not None and partition.until <= before
    ]
    if ended:
        # Noted first: a reader must never take a gap for the order of events.
        await connection.execute(_NOTE_FLOORS, max(ended))
    return await drop_partitions(connection, EVENTS, before)


async def delete_events_of_tenant(work: PlatformWork, tenant_id: TenantId) -> None:
    """Delete all events of a tenant, in the unit of work that deletes the tenant."""
    await work.connection.execute(_DELETE_OF_TENANT, {"tenant_id": tenant_id})
    await work.connection.execute(_DELETE_POSITIONS_OF_TENANT, {"tenant_id": tenant_id})
