"""SQL of connectors: what each charge point has reported of them, and the list of a whole fleet."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import asyncpg
import orjson
from sqlalchemy import (
    BigInteger,
    Integer,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.expression import ColumnElement

from app.charge_points import tables
from app.charge_points.records import ConnectorFilter, ConnectorRecord, StatusRecorded, StatusReport
from app.database.prepared import Row, Run
from app.database.repository import LARGEST_INT32, Repository, columns_of
from app.database.schema import TIME
from app.database.statements import Statement, given
from app.database.text import clean_optional, clean_text
from app.database.unit_of_work import TenantReads
from app.errors import NotFound
from app.events.payloads import ConnectorStatusChangedEvent
from app.events.writer import event_insert
from app.types import ChargePointKey

_CHARGE_POINTS = tables.charge_points
_CONNECTORS = tables.connectors
_CONNECTOR_COLUMNS = columns_of(ConnectorRecord, _CONNECTORS)


# The ledger is asked in the same statement: most connectors become Available with no transaction open.
# Rows are locked in one order, so that the batches of two workers never wait for each other in a circle.
# The event is that of another state than the one before this statement, or of the first report on a
# connection: reports of one connection never come at the same time, those of two may.
_STATUS_CHANGED: Final = event_insert(
    ConnectorStatusChangedEvent,
    """
    select tenant_id, charge_point_id, new.received_at as occurred_at, cast(event as json) as data
    from stored join new using (tenant_id, charge_point_id, connector_id)
    left join connectors as before using (tenant_id, charge_point_id, connector_id)
    where (before.epoch, before.status, before.error_code, before.info, before.vendor_id,
            before.vendor_error_code)
        is distinct from (new.epoch, new.status, new.error_code, new.info, new.vendor_id,
            new.vendor_error_code)
    """,
)
_RECORD_STATUSES: Final = Statement(
    text(
        f"""
        with new as (
            select * from unnest(
                cast(:tenant_id as bigint[]), cast(:charge_point_id as bigint[]),
                cast(:connector_id as int[]), cast(:status as text[]), cast(:error_code as text[]),
                cast(:info as text[]), cast(:vendor_id as text[]), cast(:vendor_error_code as text[]),
                cast(:reported_at as timestamptz[]), cast(:received_at as timestamptz[]),
                cast(:epoch as bigint[]), cast(:event as text[])
            ) as new (tenant_id, charge_point_id, connector_id, status, error_code, info, vendor_id,
                vendor_error_code, reported_at, received_at, epoch, event)
        ), stored as (
        insert into connectors as known (tenant_id, charge_point_id, connector_id, status, error_code, info,
            vendor_id, vendor_error_code, reported_at, received_at, epoch)
        select tenant_id, charge_point_id, connector_id, status, error_code, info, vendor_id,
            vendor_error_code, reported_at, received_at, epoch
        from new
        where exists (select from connectors
                      where tenant_id = new.tenant_id and charge_point_id = new.charge_point_id
                          and connector_id = new.connector_id)
           or (select count(*) from connectors
               where tenant_id = new.tenant_id and charge_point_id = new.charge_point_id)
               < cast(:connector_limit as bigint)
        order by tenant_id, charge_point_id, connector_id
        on conflict (tenant_id, charge_point_id, connector_id) do update set
            status = excluded.status, error_code = excluded.error_code, info = excluded.info,
            vendor_id = excluded.vendor_id, vendor_error_code = excluded.vendor_error_code,
            reported_at = excluded.reported_at, received_at = excluded.received_at,
            epoch = excluded.epoch
        where excluded.epoch >= known.epoch
        returning known.tenant_id, known.charge_point_id, known.connector_id,
            known.status = 'Available' and exists (
                select from transactions
                where tenant_id = known.tenant_id and charge_point_id = known.charge_point_id
                    and connector_id = known.connector_id
                    and stopped_received_at is null and presumed_ended_at is null
            ) as is_session_over
        ), noted as ({_STATUS_CHANGED})
        select * from stored
        """  # noqa: S608 - constants of this package and of the events
    ),
    writes_events=True,
)

_OF_CHARGE_POINT: Final = and_(
    _CONNECTORS.c.tenant_id == _CHARGE_POINTS.c.tenant_id,
    _CONNECTORS.c.charge_point_id == _CHARGE_POINTS.c.id,
)

CONNECTORS_BY_IDENTITY: Final = Statement(
    select(*_CONNECTOR_COLUMNS)
    .select_from(_CHARGE_POINTS.outerjoin(_CONNECTORS, _OF_CHARGE_POINT))
    .where(
        _CHARGE_POINTS.c.tenant_id == bindparam("tenant_id"),
        _CHARGE_POINTS.c.identity == bindparam("identity"),
    )
    .order_by(_CONNECTORS.c.connector_id)
)
"""Selects the connectors of a charge point, by number. A charge point without any gives one row of nulls."""


CONNECTORS_OF_MANY: Final = Statement(
    select(*_CONNECTOR_COLUMNS)
    .where(
        _CONNECTORS.c.tenant_id == bindparam("tenant_id"),
        _CONNECTORS.c.charge_point_id == any_(bindparam("charge_point_ids", type_=ARRAY(BigInteger))),
    )
    .order_by(_CONNECTORS.c.charge_point_id, _CONNECTORS.c.connector_id)
)
"""Selects the connectors of several charge points."""


class ConnectorStore(Repository):
    """The connectors of one tenant's charge points."""

    async def for_charge_point(self, charge_point_id: int) -> list[ConnectorRecord]:
        """Return the connectors in the order of their number."""
        statement = select(*_CONNECTOR_COLUMNS).where(
            _CONNECTORS.c.tenant_id == self.tenant_id, _CONNECTORS.c.charge_point_id == charge_point_id
        )
        rows = await self.connection.execute(statement.order_by(_CONNECTORS.c.connector_id))
        return [ConnectorRecord(*row) for row in rows]


_STATUS_NAMES: Final = (
    "tenant_id",
    "charge_point_id",
    "connector_id",
    "status",
    "error_code",
    "info",
    "vendor_id",
    "vendor_error_code",
    "reported_at",
    "received_at",
    "epoch",
    "event",
)


async def record_statuses(
    run: Run, reports: Sequence[tuple[ChargePointKey, StatusReport]], connector_limit: int
) -> list[StatusRecorded]:
    """Store reports unless the stored ones are newer; create connectors that are unknown.

    Args:
        reports: Of any charge points, but of each connector one.
        connector_limit: The most connectors that a charge point may have.

    Raises:
        NotFound: a charge point was deleted. Nothing is stored.
    """
    storable = [item for item in reports if 0 <= item[1].connector_id <= LARGEST_INT32]
    stored = {}
    if storable:
        values = dict(zip(_STATUS_NAMES, zip(*map(_status_row, storable), strict=True), strict=True))
        # Connector 0 is the charge point itself and does not count.
        try:
            rows = await run(_RECORD_STATUSES, {**values, "connector_limit": connector_limit + 1})
        except asyncpg.ForeignKeyViolationError:
            raise NotFound("The charge point was deleted.") from None
        stored = {
            (row["tenant_id"], row["charge_point_id"], row["connector_id"]): row["is_session_over"]
            for row in rows
        }
    return [
        StatusRecorded(True, stored[key])
        if (key := (*place, report.connector_id)) in stored
        else StatusRecorded(False, report.status == "Available")
        for place, report in reports
    ]


def _status_row(item: tuple[ChargePointKey, StatusReport]) -> tuple[Any, ...]:
    """Return the columns of `_STATUS_NAMES`."""
    place, report = item
    changed = ConnectorStatusChangedEvent(
        connector_id=report.connector_id,
        status=clean_text(report.status),
        error_code=clean_text(report.error_code),
        info=clean_optional(report.info),
        vendor_id=clean_optional(report.vendor_id),
        vendor_error_code=clean_optional(report.vendor_error_code),
        reported_at=report.reported_at,
        received_at=report.received_at,
    )
    return (
        *place,
        changed.connector_id,
        changed.status,
        changed.error_code,
        changed.info,
        changed.vendor_id,
        changed.vendor_error_code,
        changed.reported_at,
        changed.received_at,
        report.epoch,
        changed.text(),
    )


_IS_STALE: Final[ColumnElement[bool]] = or_(
    _CONNECTORS.c.epoch < _CHARGE_POINTS.c.epoch,
    func.coalesce(_CHARGE_POINTS.c.last_seen_at, _CONNECTORS.c.received_at)
    < bindparam("heard_after", type_=TIME),
)
"""No report on the newest connection, or the charge point has been silent for long."""

_FLEET_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after_point": tuple_(_CONNECTORS.c.charge_point_id, _CONNECTORS.c.connector_id)
    > tuple_(bindparam("after_point", type_=BigInteger), bindparam("after_connector", type_=Integer)),
    "status": _CONNECTORS.c.status == bindparam("status"),
    "error_code": _CONNECTORS.c.error_code == bindparam("error_code"),
    "has_error": _CONNECTORS.c.error_code != literal_column("'NoError'"),
    "labels": _CHARGE_POINTS.c.labels.contains(cast(bindparam("labels", type_=Text), JSONB)),
    "label_keys": _CHARGE_POINTS.c.labels.has_all(bindparam("label_keys", type_=ARRAY(Text))),
    "stale": _IS_STALE,
    "fresh": ~_IS_STALE,
}
_FLAGS: Final = ("has_error", "stale", "fresh")


def _fleet_values(filters: ConnectorFilter) -> dict[str, Any]:
    """Return the parameters of a narrowed list, by name. Those of `_FLAGS` are conditions only."""
    pairs = {term.key: term.value for term in filters.labels if term.value is not None}
    return given(
        heard_after=filters.heard_after,
        status=filters.status,
        error_code=filters.error_code,
        # What an index has for the errors only.
        has_error=True if filters.error_code not in (None, "NoError") else None,
        labels=orjson.dumps(pairs).decode() if pairs else None,
        label_keys=[term.key for term in filters.labels if term.value is None] or None,
        stale=True if filters.stale else None,
        fresh=True if filters.stale is False else None,
    )


@cache
def _fleet_statement(names: frozenset[str], *, counted: bool) -> Statement:
    joined = _CONNECTORS.join(_CHARGE_POINTS, _OF_CHARGE_POINT)
    conditions = [condition for name, condition in _FLEET_CONDITIONS.items() if name in names]
    conditions.append(_CONNECTORS.c.tenant_id == bindparam("tenant_id"))
    if counted:
        number = func.count()
        grouped = select(
            _CONNECTORS.c.status, number.label("connectors"), number.filter(_IS_STALE).label("stale")
        )
        grouped = grouped.select_from(joined).where(*conditions).group_by(_CONNECTORS.c.status)
        return Statement(grouped.order_by(_CONNECTORS.c.status))
    columns = (*_CONNECTOR_COLUMNS, _CHARGE_POINTS.c.identity, _IS_STALE.label("stale"))
    statement = select(*columns).select_from(joined).where(*conditions)
    statement = statement.order_by(_CONNECTORS.c.charge_point_id, _CONNECTORS.c.connector_id)
    return Statement(statement.limit(bindparam("limit", type_=Integer)))


class FleetConnectorReads:
    """Reads the connectors of all charge points of one tenant."""

    __slots__ = ("_reads",)

    def __init__(self, reads: TenantReads) -> None:
        self._reads = reads

    async def page(
        self, limit: int, after: tuple[int, int] | None, filters: ConnectorFilter
    ) -> Sequence[Row]:
        """Return connectors in the order of their charge points' creation.

        Each has the `identity` of its charge point, and `stale`. after: charge_point_id and connector_id of
        the last one seen.
        """
        values = {"limit": limit, **_fleet_values(filters)}
        if after is not None:
            values |= {"after_point": after[0], "after_connector": after[1]}
        return await self._rows(values, counted=False)

    async def of_charge_points(self, charge_point_ids: Sequence[int]) -> Sequence[Row]:
        """Return the connectors of some charge points, by charge point and number."""
        values = {"tenant_id": self._reads.tenant_id, "charge_point_ids": list(charge_point_ids)}
        return await self._reads.rows(CONNECTORS_OF_MANY, values)

    async def counts(self, filters: ConnectorFilter) -> Sequence[Row]:
        """Return by status the number of `connectors`, and how many of them are `stale`."""
        return await self._rows(_fleet_values(filters), counted=True)

    async def _rows(self, values: Mapping[str, Any], *, counted: bool) -> Sequence[Row]:
        statement = _fleet_statement(frozenset(values), counted=counted)
        sent = {name: value for name, value in values.items() if name not in _FLAGS}
        return await self._reads.rows(statement, {"tenant_id": self._reads.tenant_id, **sent})
