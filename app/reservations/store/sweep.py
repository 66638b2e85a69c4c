"""SQL of the sweep of reservations: what may have ended one, over all tenants."""

from datetime import datetime
from typing import Final

from sqlalchemy import TextClause, select, text, update

from app.database.repository import columns_of
from app.database.unit_of_work import PlatformWork
from app.reservations import tables
from app.reservations.records import OPEN_RESERVATIONS, EndedReserveNow, PlaceKey, ReservationRecord
from app.reservations.store.reservations import STARTS_OF, record_of

_TABLE: Final = tables.reservations
_COLUMNS: Final = columns_of(ReservationRecord, _TABLE)
_IS_OPEN: Final = _TABLE.c.state.in_(OPEN_RESERVATIONS)

# These texts contain only constants of our own.
_WITH_STARTS: Final = text(
    f"""
    select distinct one.tenant_id, one.charge_point_id
    from reservations as one
    join charge_points as point
        on point.tenant_id = one.tenant_id and point.id = one.charge_point_id
    cross join lateral ({STARTS_OF}) as start
    where one.state in ('requested', 'reserved', 'unknown')
        and (one.tenant_id, one.charge_point_id) > (:tenant_id, :charge_point_id)
    order by one.tenant_id, one.charge_point_id
    limit :limit
    """  # noqa: S608
)
_WITH_STATUSES: Final = text(
    """
    select distinct one.tenant_id, one.charge_point_id
    from reservations as one
    join connectors as seen
        on seen.tenant_id = one.tenant_id and seen.charge_point_id = one.charge_point_id
            and seen.connector_id in (0, one.connector_id)
            and seen.received_at >= coalesce(one.reserved_at, one.requested_at)
    where (one.tenant_id, one.charge_point_id) > (:tenant_id, :charge_point_id) and (
            (one.state = 'reserved' and seen.status in ('Faulted', 'Unavailable'))
            or (one.state = 'unknown' and one.connector_id > 0 and seen.status = 'Reserved')
        )
    order by one.tenant_id, one.charge_point_id
    limit :limit
    """
)
# A command without an effect on its reservation: its worker died, or it was never recorded.
_WITH_ENDED_COMMANDS: Final = text(
    """
    select one.tenant_id, one.id, command.id as command_id, command.state, command.result ->> 'status'
    from reservations as one
    left join commands as command
        on command.tenant_id = one.tenant_id and command.idempotency_key = 'reservation:' || one.id
    where one.state = 'requested' and one.requested_at < :before
        and (command.id is null or (
            command.state not in ('queued', 'sent')
            and coalesce(command.finished_at, command.created_at) < :before
        ))
    limit :limit
    """
)
_TAKE_LATE: Final = text(
    """
    select tenant_id, id, charge_point_id from reservations
    where check_at <= :now
    order by check_at limit :limit
    for update skip locked
    """
)


class ReservationSweepStore:
    """The reservations of all tenants, for the sweep."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection
        self.outbox = work.outbox

    async def places_with_starts(self, limit: int, after: PlaceKey) -> list[PlaceKey]:
        """Return charge points with starts that may change an open reservation, in their order."""
        return await self._places(_WITH_STARTS, limit, after)

    async def places_with_statuses(self, limit: int, after: PlaceKey) -> list[PlaceKey]:
        """Return charge points with a status that may change an open reservation, in their order."""
        return await self._places(_WITH_STATUSES, limit, after)

    async def ended_commands(self, before: datetime, limit: int) -> list[EndedReserveNow]:
        """Return reservations that are still `requested` though nothing is asked any more since `before`."""
        rows = await self.connection.execute(_WITH_ENDED_COMMANDS, {"before": before, "limit": limit})
        return [EndedReserveNow(*row) for row in rows]

    async def take_expired(self, now: datetime, limit: int) -> list[tuple[int, ReservationRecord]]:
        """Return open reservations whose time is over, with their tenants. Each goes to one worker."""
        statement = (
            select(_TABLE.c.tenant_id, *_COLUMNS)
            .where(_IS_OPEN, _TABLE.c.expires_at <= now)
            .order_by(_TABLE.c.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [(row[0], record_of(row[1:])) for row in await self.connection.execute(statement)]

    async def take_late(self, now: datetime, again_at: datetime, limit: int) -> list[PlaceKey]:
        """Return charge points whose ended reservations need a look; the next one is at `again_at`."""
        rows = list(await self.connection.execute(_TAKE_LATE, {"now": now, "limit": limit}))
        for row in rows:
            statement = update(_TABLE).where(_TABLE.c.tenant_id == row.tenant_id, _TABLE.c.id == row.id)
            await self.connection.execute(statement.values(check_at=again_at))
        return list({PlaceKey(row.tenant_id, row.charge_point_id): None for row in rows})

    async def put_ended(self, tenant_id: int, record: ReservationRecord) -> None:
        """Store the end of a reservation that this unit of work has taken."""
        statement = update(_TABLE).where(_TABLE.c.tenant_id == tenant_id, _TABLE.c.id == record.id)
        values = {name: getattr(record, name) for name in ("state", "reason", "ended_at", "check_at")}
        await self.connection.execute(statement.values(**values))
        self.outbox.has_events = True

    async def _places(self, statement: TextClause, limit: int, after: PlaceKey) -> list[PlaceKey]:
        rows = await self.connection.execute(statement, {"limit": limit, **after._asdict()})
        return [PlaceKey(*row) for row in rows]
