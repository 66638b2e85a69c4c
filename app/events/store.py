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

# One statement, so that all of it is of the same moment. Late events first: their ids are lower.
_LOOK: Final = """
    with missing as materialized (
        select first_id, last_id, noted_at < now() - interval '10 minutes'
            and next_transaction <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint as is_over
        from missing_event_ids
    ), late as (
        select found.* from missing cross join lateral (
            select * from events
            where events.id between missing.first_id and missing.last_id and position is null
            offset 0
        ) as found
        where not exists (
            select from late_events as late
            where late.tenant_id = found.tenant_id and late.id = found.id
        )
        order by found.id limit $1
    ), in_order as (
        select * from events where position is null and id > (select last_id from event_numbering)
        order by id limit $1
    ), waiting as (
        select tenant_id, id, recorded_at,
            case when type like 'transaction.%' then (data ->> 'id')::integer end as transaction_id
        from (select * from late union all select * from in_order) as found order by id limit $1
    )
    select last_id, last_position,
        (select array_agg(first_id order by first_id) from missing) as missing_first,
        (select array_agg(missing.last_id order by first_id) from missing) as missing_last,
        (select array_agg(is_over order by first_id) from missing) as missing_over,
        (select array_agg(id order by id) from waiting) as ids,
        (select array_agg(tenant_id order by id) from waiting) as tenant_ids,
        (select array_agg(recorded_at order by id) from waiting) as recorded_at,
        (select array_agg(transaction_id order by id) from waiting) as transaction_ids
    from event_numbering
"""
_FRESH_ID: Final = "select nextval('event_ids')"
_WRITE: Final = """
    with kept as (
        insert into late_events (tenant_id, id, recorded_at, position)
        select * from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[])
    ), noted as (
        insert into missing_event_ids (first_id, last_id, noted_at, next_transaction)
        select first_id, last_id, now(), pg_snapshot_xmax(pg_current_snapshot())::text::bigint
        from unnest($5::bigint[], $6::bigint[]) as found (first_id, last_id)
    ), settled as (
        delete from missing_event_ids where first_id = any($7::bigint[])
    ),
    -- Where the change of each transaction is in the order: a poll reads them by it.
    changed as (
        insert into transaction_positions (tenant_id, transaction_id, position)
        select tenant_id, transaction_id, max(position)
        from unnest($8::bigint[], $9::integer[], $10::bigint[]) as new (tenant_id, transaction_id, position)
        group by tenant_id, transaction_id
        on conflict (tenant_id, transaction_id) do update set position = excluded.position
    )
    update event_numbering set last_id = $11, last_position = $12
"""

# Those that are numbered, without the late ones. The form of the conditions is for the planner: with
# `position is null` it could take the index by id, in which the tenants are mixed, and without `offset 0` it
# could join all events of the tenant before it takes the first ones.
_IN_ORDER: Final = """
    events.tenant_id = cast(:tenant_id as bigint) and coalesce(events.position, 0) < 1
    and events.id <= (select last_id from event_numbering)
    and not exists (
        select from missing_event_ids as missing
        where events.id between missing.first_id and missing.last_id offset 0
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
                    f"{_IN_ORDER} and events.id > cast(:after as bigint) / {SPACING}",
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
            coalesce((select id * {SPACING} from events where {_IN_ORDER} order by id desc limit 1), 0),
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

_NOTE_FLOORS: Final = f"""
    insert into event_floors (tenant_id, position)
    select events.tenant_id, max(coalesce(events.position, late_events.position, events.id * {SPACING}))
    from events join tenants on tenants.id = events.tenant_id
    left join late_events on late_events.tenant_id = events.tenant_id and late_events.id = events.id
    where events.recorded_at < $1 and events.id <= (select last_id from event_numbering)
    group by events.tenant_id
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
        row = await connection.fetchrow(_LOOK, NUMBERED_AT_ONCE)
        if row is None:
            raise RuntimeError("the table event_numbering has no row")
        waiting = _CommittedEvents.of(row)
        before = Numbering(row["last_id"], row["last_position"])
        is_all = len(waiting.ids) < NUMBERED_AT_ONCE
        turn = next_turn(before, _missing_of(row), waiting.ids, is_all=is_all)
        if turn.is_full:
            turn = skipped_to(before, await connection.fetchval(_FRESH_ID))
        if turn.positions or turn.settled or turn.missing:
            await _write(connection, waiting, turn)
    # The last position of a tenant is its newest.
    positions = dict(zip(waiting.tenant_ids, turn.positions, strict=False))
    return Numbered(positions, len(turn.positions), turn.is_complete)


class _CommittedEvents(NamedTuple):
    """Events to number, by column."""

    ids: list[int]
    tenant_ids: list[TenantId]
    recorded_at: list[datetime]
    transaction_ids: list[int | None]

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return those that a look has found."""
        return cls(*(row[name] or [] for name in cls._fields))


def _missing_of(row: Row) -> list[MissingIds]:
    columns = [row[f"missing_{name}"] or [] for name in ("first", "last", "over")]
    return [MissingIds(*one) for one in zip(*columns, strict=True)]


async def _write(connection: Connection, waiting: _CommittedEvents, turn: Turn) -> None:
    changed = [
        (tenant_id, transaction_id, position)
        for tenant_id, transaction_id, position in zip(
            waiting.tenant_ids, waiting.transaction_ids, turn.positions, strict=False
        )
        if transaction_id is not None
    ]
    late = slice(turn.late)
    await connection.execute(
        _WRITE,
        waiting.tenant_ids[late],
        waiting.ids[late],
        waiting.recorded_at[late],
        turn.positions[late],
        [one.first_id for one in turn.missing],
        [one.last_id for one in turn.missing],
        turn.settled,
        *([one[column] for one in changed] for column in range(3)),
        *turn.numbering,
    )


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
