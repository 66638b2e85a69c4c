"""SQL of reservations.

Tables of other capabilities are read here by SQL, in the statement that looks for what ends a reservation:
transactions, the connectors of charge points, and commands. The ledger itself does nothing for reservations,
so that a start costs the same whether there are reservations or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Integer,
    Select,
    Text,
    and_,
    column,
    func,
    or_,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from app.database.repository import LARGEST_INT32, Repository, columns_of
from app.database.schema import CHARGE_POINTS, charge_point_named, is_charge_point_of
from app.database.text import clean_text
from app.id_tags.rules import fold_id_tag
from app.reservations import tables
from app.reservations.records import (
    OPEN_RESERVATIONS,
    NewReservation,
    ReservationFilter,
    ReservationRecord,
    SeenStart,
    SeenStatus,
    ShownReservation,
)
from app.reservations.rules import CONFLICTS_LIMIT

_TABLE: Final = tables.reservations
_COLUMNS: Final = columns_of(ReservationRecord, _TABLE)
_IS_OPEN: Final = _TABLE.c.state.in_(OPEN_RESERVATIONS)
_CONNECTORS: Final = table(
    "connectors",
    column("tenant_id", BigInteger),
    column("charge_point_id", BigInteger),
    column("connector_id", Integer),
    column("status", Text),
    column("received_at", TIMESTAMP(timezone=True)),
)
_CHANGING: Final = (
    "state",
    "status",
    "reason",
    "command_id",
    "transaction_id",
    "reserved_at",
    "ended_at",
    "check_at",
)

# A start may be a day older than its reservation by a clock that is behind. Whether it is, is decided later.
# What `rules.meaning_of` never takes must not be here: it would be looked at in each sweep.
STARTS_OF: Final = f"""
    select start.id, start.connector_id, start.id_tag_key,
        lower(start.id_tag_info ->> 'parentIdTag') as parent_key, start.reservation_id,
        start.started_at, start.started_received_at, point.clock_skew_s
    from transactions as start
    where start.tenant_id = one.tenant_id and start.charge_point_id = one.charge_point_id
        and start.started_at >= one.requested_at - interval '1 day'
            + least(coalesce(point.clock_skew_s, 0), 0) * interval '1 second'
        and start.started_received_at >= one.requested_at
        -- A replay of a long past must not hide what came after it.
        and (
            start.reservation_id = one.reservation_id
            or start.started_at >= one.requested_at - interval '5 minutes'
                + least(coalesce(point.clock_skew_s, 0), 0) * interval '1 second'
        )
        and (
            start.reservation_id = one.reservation_id
            or (
                coalesce(start.reservation_id, 0) <= 0
                and one.connector_id in (0, start.connector_id)
                and (
                    start.id_tag_key = one.id_tag_key
                    or lower(start.id_tag_info ->> 'parentIdTag') = one.parent_key
                    or (
                        one.state = 'reserved' and one.connector_id > 0
                        and cardinality(one.conflicts) < {CONFLICTS_LIMIT}
                    )
                )
            )
        )
        and not start.id = any(one.conflicts)
        and not exists (
            select from reservations as other
            where other.tenant_id = start.tenant_id and other.transaction_id = start.id
        )
    order by start.started_at
    limit 20
"""  # noqa: S608

# These texts contain only constants of our own.
_STARTS: Final = text(
    f"""
    select distinct start.*
    from reservations as one
    join charge_points as point
        on point.tenant_id = one.tenant_id and point.id = one.charge_point_id
    cross join lateral ({STARTS_OF}) as start
    where one.tenant_id = :tenant_id and one.charge_point_id = :charge_point_id and one.id = any(:ids)
    """  # noqa: S608
)
_FREE_NUMBER: Final = text(
    """
    with last as (
        select coalesce(max(reservation_id), 0) as number from reservations
        where tenant_id = :tenant_id and charge_point_id = :charge_point_id and origin = 'reservation'
    ), first as (
        select case when number >= :largest - 1000 then 1 else number + 1 end as number from last
    )
    select candidate from first, generate_series(first.number, first.number + 100000) as candidate
    where not exists (
        select from reservations
        where tenant_id = :tenant_id and charge_point_id = :charge_point_id and reservation_id = candidate
    )
    order by candidate limit 1
    """
)


class ReservationStore(Repository):
    """The reservations of one tenant."""

    async def free_number(self, charge_point_id: int) -> int | None:
        """Return a reservationId that the charge point was never given; None: 100 000 in a row are taken.

        The caller has locked the charge point.
        """
        values = {"tenant_id": self.tenant_id, "charge_point_id": charge_point_id, "largest": LARGEST_INT32}
        number: int | None = (await self.connection.execute(_FREE_NUMBER, values)).scalar_one_or_none()
        return number

    async def create(self, new: NewReservation) -> ReservationRecord:
        """Store a reservation that is about to be asked for."""
        parent = new.parent_id_tag
        columns = {
            **asdict(new),
            "id_tag": clean_text(new.id_tag),
            "id_tag_key": fold_id_tag(clean_text(new.id_tag)),
            "parent_key": None if parent is None else fold_id_tag(clean_text(parent)),
        }
        statement = insert(_TABLE).values(tenant_id=self.tenant_id, state="requested", **columns)
        self.outbox.has_events = True
        return record_of((await self.connection.execute(statement.returning(*_COLUMNS))).one())

    async def put(self, record: ReservationRecord) -> None:
        """Store what has become of a reservation."""
        values = {name: getattr(record, name) for name in _CHANGING}
        values["conflicts"] = list(record.conflicts)
        await self.connection.execute(update(_TABLE).where(*self._is(record.id)).values(**values))
        self.outbox.has_events = True

    async def set_command(self, row_id: int, command_id: UUID) -> None:
        """Note the command that asks for a reservation."""
        statement = update(_TABLE).where(*self._is(row_id), _TABLE.c.command_id.is_(None))
        await self.connection.execute(statement.values(command_id=command_id))
        self.outbox.has_events = True

    async def delete(self, row_id: int) -> None:
        """Delete a reservation that was never asked for."""
        await self.connection.execute(_TABLE.delete().where(*self._is(row_id)))

    async def locked(self, row_id: int) -> ReservationRecord | None:
        """Return one reservation, locked until the end of the transaction."""
        statement = select(*_COLUMNS).where(*self._is(row_id)).with_for_update()
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else record_of(row)

    async def by_command(self, command_id: UUID, charge_point_id: int) -> ReservationRecord | None:
        """Return the reservation that a command has asked for, locked."""
        statement = select(*_COLUMNS).where(
            _TABLE.c.tenant_id == self.tenant_id,
            _TABLE.c.charge_point_id == charge_point_id,
            _TABLE.c.command_id == command_id,
        )
        row = (await self.connection.execute(statement.limit(1).with_for_update())).one_or_none()
        return None if row is None else record_of(row)

    async def open_of(
        self, charge_point_id: int, reservation_id: int | None = None
    ) -> list[ReservationRecord]:
        """Return the open reservations of a charge point, locked. reservation_id: only those."""
        conditions = [
            _TABLE.c.tenant_id == self.tenant_id,
            _TABLE.c.charge_point_id == charge_point_id,
            _IS_OPEN,
        ]
        if reservation_id is not None:
            conditions.append(_TABLE.c.reservation_id == reservation_id)
        statement = select(*_COLUMNS).where(*conditions).order_by(_TABLE.c.id).with_for_update()
        return [record_of(row) for row in await self.connection.execute(statement)]

    async def count_open(self, charge_point_id: int) -> int:
        """Return how many reservations of a charge point are open. Nothing is locked."""
        statement = select(func.count()).where(
            _TABLE.c.tenant_id == self.tenant_id, _TABLE.c.charge_point_id == charge_point_id, _IS_OPEN
        )
        return int((await self.connection.execute(statement)).scalar_one())

    async def by_key(self, idempotency_key: str) -> tuple[int, bytes] | None:
        """Return the row of an idempotency key and the digest of its request; None: it is new."""
        statement = select(_TABLE.c.id, _TABLE.c.request_digest).where(
            _TABLE.c.tenant_id == self.tenant_id, _TABLE.c.idempotency_key == idempotency_key
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else (row.id, row.request_digest)

    async def in_question(self, charge_point_id: int) -> list[ReservationRecord]:
        """Return the reservations of a charge point that a start may still use, locked.

        All that change reservations lock these first, in one order: two of them cannot wait for each other.
        """
        statement = select(*_COLUMNS).where(
            _TABLE.c.tenant_id == self.tenant_id,
            _TABLE.c.charge_point_id == charge_point_id,
            or_(_IS_OPEN, _TABLE.c.check_at.is_not(None)),
        )
        rows = await self.connection.execute(statement.order_by(_TABLE.c.id).with_for_update())
        return [record_of(row) for row in rows]

    async def starts_of(
        self, charge_point_id: int, reservations: Sequence[ReservationRecord]
    ) -> list[SeenStart]:
        """Return the transactions that may have used one of these reservations."""
        values = {
            "tenant_id": self.tenant_id,
            "charge_point_id": charge_point_id,
            "ids": [one.id for one in reservations],
        }
        return [SeenStart(*row) for row in await self.connection.execute(_STARTS, values)]

    async def statuses_of(self, charge_point_id: int) -> list[SeenStatus]:
        """Return the last statuses of all connectors of a charge point."""
        statement = select(_CONNECTORS.c.connector_id, _CONNECTORS.c.status, _CONNECTORS.c.received_at).where(
            _CONNECTORS.c.tenant_id == self.tenant_id, _CONNECTORS.c.charge_point_id == charge_point_id
        )
        return [SeenStatus(*row) for row in await self.connection.execute(statement)]

    async def shown(self, charge_point_id: int, reservation_id: int) -> ShownReservation | None:
        """Return the reservation of this number: the open one, else the newest that was not refused."""
        statement = self._shown().where(
            _TABLE.c.charge_point_id == charge_point_id, _TABLE.c.reservation_id == reservation_id
        )
        order = (_IS_OPEN.desc(), (_TABLE.c.state == "rejected").asc(), _TABLE.c.id.desc())
        row = (await self.connection.execute(statement.order_by(*order).limit(1))).one_or_none()
        return None if row is None else _shown(row)

    async def shown_row(self, row_id: int) -> ShownReservation | None:
        """Return one reservation by the id of its row."""
        row = (await self.connection.execute(self._shown().where(_TABLE.c.id == row_id))).one_or_none()
        return None if row is None else _shown(row)

    async def page(
        self, limit: int, before: int | None, filters: ReservationFilter
    ) -> list[ShownReservation]:
        """Return reservations, the newest first. before: id of the last one seen."""
        statement = self._shown()
        if before is not None:
            statement = statement.where(_TABLE.c.id < before)
        if filters.identity is not None:
            statement = statement.where(_TABLE.c.charge_point_id == charge_point_named(filters.identity))
        if filters.state is not None:
            statement = statement.where(_TABLE.c.state == filters.state)
        if filters.id_tag is not None:
            statement = statement.where(_TABLE.c.id_tag_key == fold_id_tag(filters.id_tag))
        statement = statement.order_by(_TABLE.c.id.desc()).limit(limit)
        rows = await self.connection.execute(statement, {"tenant_id": self.tenant_id})
        return [_shown(row) for row in rows]

    def _shown(self) -> Select[Any]:
        here = and_(
            _CONNECTORS.c.tenant_id == _TABLE.c.tenant_id,
            _CONNECTORS.c.charge_point_id == _TABLE.c.charge_point_id,
            _CONNECTORS.c.connector_id == _TABLE.c.connector_id,
        )
        joined = _TABLE.join(CHARGE_POINTS, is_charge_point_of(_TABLE)).outerjoin(_CONNECTORS, here)
        columns = [
            *_COLUMNS,
            CHARGE_POINTS.c.identity,
            _CONNECTORS.c.status.label("connector_status"),
            _CONNECTORS.c.received_at.label("connector_status_at"),
        ]
        return select(*columns).select_from(joined).where(_TABLE.c.tenant_id == self.tenant_id)

    def _is(self, row_id: int) -> tuple[Any, ...]:
        return (_TABLE.c.tenant_id == self.tenant_id, _TABLE.c.id == row_id)


def record_of(row: Sequence[Any]) -> ReservationRecord:
    """Return the reservation in a row of the columns of its record."""
    return ReservationRecord(*row)


def _shown(row: Sequence[Any] | Mapping[Any, Any]) -> ShownReservation:
    values = list(row)
    return ShownReservation(record_of(values[:-3]), *values[-3:])
