"""SQL of events: number those that are committed, read them in their order, delete old ones."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import text

from app.database.partitions import EVENTS, drop_partitions, partitions_of
from app.database.prepared import Connection, Prepared, Row
from app.database.statements import Statement
from app.database.unit_of_work import PlatformWork
from app.events.records import EventFilter, Numbered
from app.events.rules import SPACING, MissingIds, Numbering, Turn, next_turn, skipped_to
from app.types import TenantId

NUMBERED_AT_ONCE: Final = 5000
"""The most events of one numbering, which takes PostgreSQL some dozen milliseconds."""

# Any number that is the same in each process.
_LOCK: Final = 7_216_042_715
_TRY_LOCK: Final = "select pg_try_advisory_xact_lock($1)"

# One row at least, with what is numbered.
_LOOK: Final = """
    select event_numbering.last_id, last_position, exists (select from missing_event_ids) as has_missing,
        found.tenant_id, found.id, found.recorded_at,
        case when type like 'transaction.%' then (data ->> 'id')::integer end as transaction_id
    from event_numbering left join lateral (
        select * from events where position is null and id > event_numbering.last_id order by id limit $1
    ) as found on true
    order by found.id
"""
# One statement, so that all is of the same moment: what is over has no event that is not found here. A
# number of a transaction that was not given yet is of another cluster, from which the database was copied.
_LOOK_FOR_MISSING: Final = """
    select first_id, last_id, found.tenant_id, found.id, found.recorded_at,
        noted_at < now() - interval '10 minutes'
            and (
                next_transaction <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
                or next_transaction > pg_snapshot_xmax(pg_current_snapshot())::text::bigint
            ) as is_over,
        case when type like 'transaction.%' then (data ->> 'id')::integer end as transaction_id
    from missing_event_ids left join lateral (
        select * from events
        where id between first_id and missing_event_ids.last_id and position is null
            and not exists (
                select from late_events
                where late_events.tenant_id = events.tenant_id and late_events.id = events.id offset 0
            )
        order by id limit $1
    ) as found on true
    order by first_id, found.id
"""
_FRESH_ID: Final = "select nextval('event_ids')"
_ADVANCE: Final = "update event_numbering set last_id = $1, last_position = $2"
# The number of this transaction is above those of all that have one. The end of its snapshot is not: that may
# be below transactions that run.
_KEEP: Final = """
    with late as (
        insert into late_events (tenant_id, id, recorded_at, position)
        select * from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[])
    ), settled as (
        delete from missing_event_ids where first_id = any($5::bigint[])
    )
    insert into missing_event_ids (first_id, last_id, noted_at, next_transaction)
    select first_id, last_id, now(), pg_current_xact_id()::text::bigint
    from unnest($6::bigint[], $7::bigint[]) as found (first_id, last_id)
"""
# Where the change of each transaction is in the order: a poll reads them by it.
_KEEP_CHANGED: Final = """
    insert into transaction_positions (tenant_id, transaction_id, position)
    select tenant_id, transaction_id, max(position)
    from unnest($1::bigint[], $2::integer[], $3::bigint[]) as new (tenant_id, transaction_id, position)
    group by tenant_id, transaction_id
    on conflict (tenant_id, transaction_id) do update set position = excluded.position
"""

# The first event whose position is made of its id. A tenant may have millions of before: none is looked at.
_FIRST_ID: Final = "(select first_id from event_numbering)"
# Those that are numbered, without the late ones. The form of the conditions is for the planner. A range of
# ids would seem short to it, so that it would sort all of them. Without `offset 0` it could join all events
# before it takes the first ones. The missing ids are read once: there are some for each transaction of the
# last ten minutes that was rolled back.
_IN_ORDER: Final = """
    events.tenant_id = cast(:tenant_id as bigint)
    and events.id - (select last_id from event_numbering) < 1
    and not events.id <@ (
        select coalesce(range_agg(int8range(first_id, last_id, '[]')), int8multirange())
        from missing_event_ids
    )
    and not exists (
        select from late_events
        where late_events.tenant_id = events.tenant_id and late_events.id = events.id offset 0
    )
"""
_JOINED_LATE: Final = """
    late_events join events on events.tenant_id = late_events.tenant_id and events.id = late_events.id
        and events.recorded_at = late_events.recorded_at
"""


def _page_of(position: str, source: str, condition: str, order: str) -> str:
    # A batch of meter values is of many charge points: the filter by them comes after it was unpacked.
    return f"""
        (select {position} as position, type, version, identity as charge_point, occurred_at,
            events.recorded_at, data::text as data, packed
        from {source}
        left join charge_points on charge_points.tenant_id = events.tenant_id
            and charge_points.id = events.charge_point_id
        where {condition}
            and (cast(:types as text[]) is null or type = any(cast(:types as text[])))
            and (cast(:charge_points as text[]) is null or packed is not null
                or identity = any(cast(:charge_points as text[])))
        order by {order} limit cast(:limit as bigint))
    """  # noqa: S608 - texts of this file


_READ: Final = Statement(
    text(
        " union all ".join(
            (
                _page_of(
                    f"events.id * {SPACING}",
                    "events",
                    f"{_IN_ORDER}"
                    f" and events.id >= greatest(cast(:after as bigint) / {SPACING} + 1, {_FIRST_ID})",
                    "events.id",
                ),
                _page_of(
                    "late_events.position",
                    _JOINED_LATE,
                    "late_events.tenant_id = cast(:tenant_id as bigint)"
                    " and late_events.position > cast(:after as bigint)",
                    "late_events.position",
                ),
                _page_of(
                    "events.position",
                    "events",
                    "events.tenant_id = cast(:tenant_id as bigint)"
                    " and events.position > cast(:after as bigint)",
                    "events.position",
                ),
            )
        )
        + " order by position limit cast(:limit as bigint)"
    )
)
_NEWEST: Final = Statement(
    text(
        f"""
        select greatest(
            coalesce((select id * {SPACING} from events where {_IN_ORDER} and id >= {_FIRST_ID}
                order by id desc limit 1), 0),
            coalesce((select max(position) from late_events where tenant_id = cast(:tenant_id as bigint)), 0),
            coalesce((select position from events where tenant_id = cast(:tenant_id as bigint)
                and position is not null order by position desc limit 1), 0),
            coalesce((select position from event_floors where tenant_id = cast(:tenant_id as bigint)), 0)
        ) as position
        """  # noqa: S608 - texts of this file
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

# The last event of each kind of position, by its index: a day may have millions.
_NOTE_FLOORS: Final = f"""
    insert into event_floors (tenant_id, position)
    select tenants.id, greatest(in_order.position, late.position, of_before.position)
    from tenants
    left join lateral (
        select events.id * {SPACING} as position from events
        where events.tenant_id = tenants.id and events.recorded_at < $1 and events.id >= {_FIRST_ID}
            and events.id - (select last_id from event_numbering) < 1
        order by events.id desc limit 1
    ) as in_order on true
    left join lateral (
        select max(late_events.position) as position from late_events
        where late_events.tenant_id = tenants.id and late_events.recorded_at < $1
    ) as late on true
    left join lateral (
        select events.position from events
        where events.tenant_id = tenants.id and events.recorded_at < $1 and events.position is not null
        order by events.position desc limit 1
    ) as of_before on true
    where coalesce(in_order.position, late.position, of_before.position) is not null
    on conflict (tenant_id) do update set position = greatest(event_floors.position, excluded.position)
"""  # noqa: S608 - texts of this file
_DROP_LATE: Final = "delete from late_events where recorded_at < $1"
_DELETE_OF_TENANT: Final = tuple(
    text(f"delete from {table} where tenant_id = :tenant_id")  # noqa: S608 - texts of this file
    for table in ("events", "late_events", "transaction_positions")
)


async def number_events(connection: Connection) -> Numbered | None:
    """Give committed events their positions, in the order of their ids. None: another process does it now.

    The lock is taken by a statement of its own, so that the snapshot of the next one is younger: it sees what
    was committed before the lock was free, and no position of an earlier numbering comes after its own.
    """
    async with connection.transaction():
        if not await connection.fetchval(_TRY_LOCK, _LOCK):
            return None
        waiting, numbering, missing = await _look(connection)
        ids = [one.id for one in waiting]
        turn = next_turn(numbering, missing, ids, is_all=len(ids) < NUMBERED_AT_ONCE)
        if turn.is_full:
            turn = skipped_to(numbering, await connection.fetchval(_FRESH_ID))
        await _write(connection, waiting, turn)
    # The last position of a tenant is its newest.
    positions = {one.tenant_id: position for one, position in zip(waiting, turn.positions, strict=False)}
    return Numbered(positions, len(turn.positions), turn.is_complete)


class _CommittedEvent(NamedTuple):
    """An event to number."""

    id: int
    tenant_id: TenantId
    recorded_at: datetime
    transaction_id: int | None

    @classmethod
    def all_of(cls, rows: Sequence[Row]) -> list[Self]:
        """Return those that a look has found."""
        return [cls(*(row[name] for name in cls._fields)) for row in rows if row["id"] is not None]


async def _look(connection: Connection) -> tuple[list[_CommittedEvent], Numbering, list[MissingIds]]:
    """Return events to number, the lowest ids first, what is numbered, and what is missing.

    Late events are looked for last: one that has an event behind it must not be seen after that.
    """
    rows = await connection.fetch(_LOOK, NUMBERED_AT_ONCE)
    if not rows:
        raise RuntimeError("the table event_numbering has no row")
    waiting = _CommittedEvent.all_of(rows)
    numbering = Numbering(rows[0]["last_id"], rows[0]["last_position"])
    if not rows[0]["has_missing"]:
        return waiting, numbering, []
    rows = await connection.fetch(_LOOK_FOR_MISSING, NUMBERED_AT_ONCE)
    missing = dict.fromkeys(MissingIds(row["first_id"], row["last_id"], row["is_over"]) for row in rows)
    return (_CommittedEvent.all_of(rows) + waiting)[:NUMBERED_AT_ONCE], numbering, list(missing)


async def _write(connection: Connection, waiting: Sequence[_CommittedEvent], turn: Turn) -> None:
    late = list(zip(waiting, turn.positions[: turn.late], strict=False))
    if late or turn.missing or turn.settled:
        await connection.execute(
            _KEEP,
            [one.tenant_id for one, _ in late],
            [one.id for one, _ in late],
            [one.recorded_at for one, _ in late],
            [position for _, position in late],
            turn.settled,
            [one.first_id for one in turn.missing],
            [one.last_id for one in turn.missing],
        )
    changed = [
        (one.tenant_id, one.transaction_id, position)
        for one, position in zip(waiting, turn.positions, strict=False)
        if one.transaction_id is not None
    ]
    if changed:
        await connection.execute(_KEEP_CHANGED, *zip(*changed, strict=True))
    if turn.positions or turn.missing:
        await connection.execute(_ADVANCE, *turn.numbering)


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
    dropped = await drop_partitions(connection, EVENTS, before)
    if dropped:
        await connection.execute(_DROP_LATE, max(ended))
    return dropped


async def delete_events_of_tenant(work: PlatformWork, tenant_id: TenantId) -> None:
    """Delete all events of a tenant, in the unit of work that deletes the tenant."""
    for statement in _DELETE_OF_TENANT:
        await work.connection.execute(statement, {"tenant_id": tenant_id})
