"""Reading transactions, their meter values, and what fits no transaction. The ledger writes them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Integer, Select, bindparam, select, tuple_
from sqlalchemy.sql.expression import ColumnElement

from app.charge_points import tables as charge_point_tables
from app.database.prepared import Prepared, Row
from app.database.repository import LARGEST_INT32, LARGEST_INT64, SMALLEST_INT64, Repository, columns_of
from app.database.statements import Statement, given
from app.id_tags.rules import fold_id_tag
from app.transactions import tables
from app.transactions.records import (
    TIME_UNREADABLE,
    MeterValueFilter,
    MeterValueRecord,
    OrphanRecord,
    TransactionFilter,
    TransactionRecord,
)
from app.types import TenantId

_TABLE = tables.transactions
_CHARGE_POINTS = charge_point_tables.charge_points
_COLUMNS = columns_of(TransactionRecord, _TABLE, identity=_CHARGE_POINTS.c.identity)
_VALUES = tables.meter_values
_VALUE_COLUMNS = columns_of(MeterValueRecord, _VALUES)
_ORPHANS = tables.orphan_records
_ORPHAN_COLUMNS = columns_of(OrphanRecord, _ORPHANS)
# A clock that was never set starts at 1970 or 2000.
_PLAUSIBLE_FROM = datetime(2015, 1, 1, tzinfo=UTC)
_SLACK = timedelta(days=1)


def _select_transactions(*conditions: Any) -> Select[Any]:
    joined = _TABLE.join(_CHARGE_POINTS, _CHARGE_POINTS.c.id == _TABLE.c.charge_point_id)
    statement = select(*_COLUMNS).select_from(joined)
    return statement.where(_TABLE.c.tenant_id == bindparam("tenant_id"), *conditions)


ONE: Final = Statement(_select_transactions(_TABLE.c.id == bindparam("transaction_id")))
"""A transaction by its OCPP transactionId."""

_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after": _TABLE.c.id < bindparam("after"),
    "identity": _CHARGE_POINTS.c.identity == bindparam("identity"),
    "connector_id": _TABLE.c.connector_id == bindparam("connector_id"),
    "id_tag_key": _TABLE.c.id_tag_key == bindparam("id_tag_key"),
    "running": _TABLE.c.stopped_received_at.is_(None),
    "stopped": _TABLE.c.stopped_received_at.is_not(None),
    "from_at": _TABLE.c.started_at >= bindparam("from_at"),
    "to_at": _TABLE.c.started_at < bindparam("to_at"),
}


def page_values(limit: int, after: int | None, filters: TransactionFilter) -> dict[str, Any]:
    """What narrows a page of transactions, by name."""
    return given(
        limit=limit,
        after=after,
        identity=filters.identity,
        connector_id=filters.connector_id,
        id_tag_key=None if filters.id_tag is None else fold_id_tag(filters.id_tag),
        running=True if filters.open else None,
        stopped=True if filters.open is False else None,
        from_at=filters.from_at,
        to_at=filters.to_at,
    )


@cache
def page_statement(names: frozenset[str]) -> Statement:
    """A page of transactions, the newest id first. names: of the values that narrow it."""
    conditions = [condition for name, condition in _CONDITIONS.items() if name in names]
    ordered = _select_transactions(*conditions).order_by(_TABLE.c.id.desc())
    return Statement(ordered.limit(bindparam("limit", type_=Integer)))


class TransactionStore(Repository):
    """The transactions of one tenant."""

    async def get(self, transaction_id: int) -> TransactionRecord | None:
        """Return a transaction by its OCPP transactionId."""
        if not 0 < transaction_id <= LARGEST_INT32:
            return None
        values = {"tenant_id": self.tenant_id, "transaction_id": transaction_id}
        row = (await self.connection.execute(ONE.clause, values)).one_or_none()
        return TransactionRecord(*row) if row is not None else None

    async def page(
        self, limit: int, after: int | None = None, filters: TransactionFilter | None = None
    ) -> list[TransactionRecord]:
        """Return transactions, the newest id first. after: id of the last one seen."""
        values = page_values(limit, after, filters or TransactionFilter())
        statement = page_statement(frozenset(values))
        rows = await self.connection.execute(statement.clause, {"tenant_id": self.tenant_id, **values})
        return [TransactionRecord(*row) for row in rows]


_VALUE_ORDER: Final = (_VALUES.c.sampled_at, _VALUES.c.digest)
_VALUE_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "transaction_id": _VALUES.c.transaction_id == bindparam("transaction_id"),
    "connector_id": _VALUES.c.connector_id == bindparam("connector_id"),
    "from_at": _VALUES.c.sampled_at >= bindparam("from_at"),
    "before": _VALUES.c.sampled_at < bindparam("before"),
    "until": _VALUES.c.sampled_at <= bindparam("until"),
    "after_at": tuple_(*_VALUE_ORDER)
    > tuple_(
        bindparam("after_at", type_=_VALUES.c.sampled_at.type),
        bindparam("after_digest", type_=_VALUES.c.digest.type),
    ),
}
NAMES_A_TRANSACTION: Final = ("id", "charge_point_id", "started_at", "stopped_at", "flags")
"""The fields of a transaction that its meter values are found by."""


def values_of_transaction(
    *,
    id: int,
    charge_point_id: int,
    started_at: datetime,
    stopped_at: datetime | None,
    flags: Sequence[str],
) -> dict[str, Any]:
    """What narrows meter values to those of a transaction, by name: those that name it, and its own stop's.

    A sample whose time lies more than a day outside the transaction is found with its charge point only.
    """
    values = {"charge_point_id": charge_point_id, "transaction_id": id}
    # Not the charge point's whole history; but a clock that was set in between makes any time possible.
    if started_at < _PLAUSIBLE_FROM or TIME_UNREADABLE in flags:
        return values
    ended = stopped_at is not None and stopped_at >= started_at
    until = stopped_at + _SLACK if ended and stopped_at is not None else None
    return {**values, **given(from_at=started_at - _SLACK, until=until)}


def values_of_charge_point(charge_point_id: int, filters: MeterValueFilter) -> dict[str, Any]:
    """What narrows meter values to those of a charge point, within a transaction or not, by name."""
    return given(
        charge_point_id=charge_point_id,
        connector_id=filters.connector_id,
        from_at=filters.from_at,
        before=filters.to_at,
    )


def meter_page_values(limit: int, after: tuple[datetime, int] | None) -> dict[str, Any]:
    """Where a page of meter values begins and how long it is, by name."""
    if after is None:
        return {"limit": limit}
    at, digest = after
    return {
        "limit": limit,
        "after_at": at,
        "after_digest": max(SMALLEST_INT64, min(digest, LARGEST_INT64)),
    }


@cache
def meter_page_statement(names: frozenset[str]) -> Statement:
    """A page of meter values in the order of (sampled_at, digest). names: of the values that narrow it."""
    conditions = [condition for name, condition in _VALUE_CONDITIONS.items() if name in names]
    statement = select(*_VALUE_COLUMNS).where(
        _VALUES.c.tenant_id == bindparam("tenant_id"),
        _VALUES.c.charge_point_id == bindparam("charge_point_id"),
        *conditions,
    )
    return Statement(statement.order_by(*_VALUE_ORDER).limit(bindparam("limit", type_=Integer)))


class MeterValueStore(Repository):
    """The meter values of one tenant. A page is ordered by (sampled_at, digest); `after` is that pair."""

    async def for_transaction(
        self, transaction: TransactionRecord, limit: int, after: tuple[datetime, int] | None = None
    ) -> list[MeterValueRecord]:
        """Return the values of a transaction, see `values_of_transaction`."""
        narrowed = values_of_transaction(**{name: getattr(transaction, name) for name in NAMES_A_TRANSACTION})
        return await self._page(narrowed, limit, after)

    async def for_charge_point(
        self,
        charge_point_id: int,
        limit: int,
        after: tuple[datetime, int] | None = None,
        filters: MeterValueFilter | None = None,
    ) -> list[MeterValueRecord]:
        """Return the values of a charge point, within a transaction or not."""
        narrowed = values_of_charge_point(charge_point_id, filters or MeterValueFilter())
        return await self._page(narrowed, limit, after)

    async def _page(
        self, narrowed: dict[str, Any], limit: int, after: tuple[datetime, int] | None
    ) -> list[MeterValueRecord]:
        values = {**narrowed, **meter_page_values(limit, after)}
        statement = meter_page_statement(frozenset(values))
        rows = await self.connection.execute(statement.clause, {"tenant_id": self.tenant_id, **values})
        return [MeterValueRecord(*row) for row in rows]


class OrphanRecordStore(Repository):
    """Billing messages of one tenant that fit no transaction."""

    async def page(
        self, limit: int, after: int | None = None, charge_point_id: int | None = None
    ) -> list[OrphanRecord]:
        """Return records, the newest first. after: id of the last one seen."""
        statement = select(*_ORPHAN_COLUMNS).where(_ORPHANS.c.tenant_id == self.tenant_id)
        if after is not None:
            statement = statement.where(_ORPHANS.c.id < after)
        if charge_point_id is not None:
            statement = statement.where(_ORPHANS.c.charge_point_id == charge_point_id)
        rows = await self.connection.execute(statement.order_by(_ORPHANS.c.id.desc()).limit(limit))
        return [OrphanRecord(*row) for row in rows]


class TransactionReads:
    """Reads the transactions of one tenant, each read one prepared statement."""

    __slots__ = ("_reads", "_tenant_id")

    def __init__(self, reads: Prepared, tenant_id: TenantId) -> None:
        self._reads = reads
        self._tenant_id = tenant_id

    async def get(self, transaction_id: int) -> Row | None:
        """Return a transaction by its OCPP transactionId."""
        rows = await self._rows(ONE, transaction_id=transaction_id)
        return rows[0] if rows else None

    async def page(self, limit: int, after: int | None, filters: TransactionFilter) -> Sequence[Row]:
        """Return a page of transactions. after: id of the last one seen."""
        values = page_values(limit, after, filters)
        return await self._rows(page_statement(frozenset(values)), **values)

    async def meter_values_of_transaction(
        self, transaction: Row, limit: int, after: tuple[datetime, int] | None
    ) -> Sequence[Row]:
        """Return a page of the values of a transaction. after: time and digest of the last one seen."""
        narrowed = values_of_transaction(**{name: transaction[name] for name in NAMES_A_TRANSACTION})
        return await self._meter_values(limit, after, narrowed)

    async def meter_values_of_charge_point(
        self, charge_point_id: int, limit: int, after: tuple[datetime, int] | None, filters: MeterValueFilter
    ) -> Sequence[Row]:
        """Return a page of the values of a charge point. after: time and digest of the last one seen."""
        return await self._meter_values(limit, after, values_of_charge_point(charge_point_id, filters))

    async def _meter_values(
        self, limit: int, after: tuple[datetime, int] | None, narrowed: Mapping[str, Any]
    ) -> Sequence[Row]:
        values = {**narrowed, **meter_page_values(limit, after)}
        return await self._rows(meter_page_statement(frozenset(values)), **values)

    async def _rows(self, statement: Statement, **values: Any) -> Sequence[Row]:
        return await self._reads.rows(statement, {"tenant_id": self._tenant_id, **values})
