"""Read transactions, their meter values, and what fits no transaction. The ledger writes them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    column,
    not_,
    select,
    table,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.expression import ColumnElement

from app.database.prepared import Row
from app.database.repository import LARGEST_INT32, LARGEST_INT64, SMALLEST_INT64, columns_of
from app.database.schema import CHARGE_POINTS, TIME, charge_point_named, is_charge_point_of
from app.database.statements import Statement, given
from app.database.unit_of_work import TenantRows
from app.id_tags.rules import fold_id_tag
from app.transactions import tables
from app.transactions.store.meter_values import samples_text
from app.transactions.stored_records import (
    ChangedTransaction,
    ChangePlace,
    MeterValueFilter,
    MeterValueRecord,
    PackedEvidence,
    StoredOrphan,
    TransactionFilter,
    TransactionRecord,
)

_TABLE = tables.transactions
_VALUES = tables.meter_values
_ORPHANS = tables.orphan_records
# JSON is read as text: a listing passes it on as it is, and a unit of work would decode it.
_COLUMNS = columns_of(
    TransactionRecord,
    _TABLE,
    identity=CHARGE_POINTS.c.identity,
    id_tag_info_json=cast(_TABLE.c.id_tag_info, Text).label("id_tag_info_json"),
    stop_id_tag_info_json=cast(_TABLE.c.stop_id_tag_info, Text).label("stop_id_tag_info_json"),
    stop_raw_json=cast(_TABLE.c.stop_raw, Text).label("stop_raw_json"),
)
# As `_meter_value` reads them.
_VALUE_COLUMNS = (
    *columns_of(
        MeterValueRecord,
        _VALUES,
        sampled_values_json=cast(_VALUES.c.sampled_values, Text).label("sampled_values_json"),
    ),
    _VALUES.c.packed_values,
)
_ORPHAN_COLUMNS = columns_of(StoredOrphan, _ORPHANS, payload=cast(_ORPHANS.c.payload, Text).label("payload"))
_SLACK = timedelta(days=1)


def _select_transactions(*conditions: Any) -> Select[Any]:
    joined = _TABLE.join(CHARGE_POINTS, is_charge_point_of(_TABLE))
    statement = select(*_COLUMNS).select_from(joined)
    return statement.where(_TABLE.c.tenant_id == bindparam("tenant_id"), *conditions)


_EVIDENCE: Final = Statement(
    select(_TABLE.c.start_evidence, _TABLE.c.stop_evidence).where(
        _TABLE.c.tenant_id == bindparam("tenant_id"), _TABLE.c.id == bindparam("transaction_id")
    )
)
_ORPHANS_OF: Final = Statement(
    select(*_ORPHAN_COLUMNS)
    .where(
        _ORPHANS.c.tenant_id == bindparam("tenant_id"),
        _ORPHANS.c.transaction_id == bindparam("transaction_id"),
    )
    .order_by(_ORPHANS.c.id)
    .limit(bindparam("limit", type_=Integer))
)
_ONE: Final = Statement(_select_transactions(_TABLE.c.id == bindparam("transaction_id")))

_ORDER: Final = (_TABLE.c.started_at, _TABLE.c.id)
_IS_RUNNING: Final = and_(_TABLE.c.stopped_received_at.is_(None), _TABLE.c.presumed_ended_at.is_(None))
_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after_at": tuple_(*_ORDER)
    < tuple_(
        bindparam("after_at", type_=_TABLE.c.started_at.type), bindparam("after_id", type_=_TABLE.c.id.type)
    ),
    "identity": _TABLE.c.charge_point_id == charge_point_named(bindparam("identity")),
    "connector_id": _TABLE.c.connector_id == bindparam("connector_id"),
    "id_tag_key": _TABLE.c.id_tag_key == bindparam("id_tag_key"),
    "running": _IS_RUNNING,
    "ended": not_(_IS_RUNNING),
    "from_at": _TABLE.c.started_at >= bindparam("from_at"),
    "to_at": _TABLE.c.started_at < bindparam("to_at"),
}
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
# The newest sample of each running transaction that tells the power: a bit of the first byte of packed ones.
_NEWEST_POWER: Final = Statement(
    text(
        """
        select newest.* from transactions as running
        cross join lateral (
            select charge_point_id, connector_id, transaction_id, sampled_at, received_at, context,
                sampled_values::text as sampled_values_json, digest, packed_values
            from meter_values
            where tenant_id = running.tenant_id and charge_point_id = running.charge_point_id
                and sampled_at >= :since and connector_id = running.connector_id
                and (get_byte(packed_values, 0) & 128 = 128
                    or sampled_values::text like '%"Power.Active.Import"%')
            order by sampled_at desc, digest desc limit 1
        ) as newest
        where running.tenant_id = :tenant_id and running.stopped_received_at is null
            and running.presumed_ended_at is null
            and (cast(:charge_point_ids as bigint[]) is null
                 or running.charge_point_id = any(cast(:charge_point_ids as bigint[])))
        """
    ).bindparams(
        bindparam("charge_point_ids", type_=ARRAY(BigInteger)),
        bindparam("since", type_=TIME),
        bindparam("tenant_id", type_=BigInteger),
    )
)
_ORPHAN_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after": _ORPHANS.c.id < bindparam("after"),
    "charge_point_id": _ORPHANS.c.charge_point_id == bindparam("charge_point_id"),
}
_LIMIT: Final = bindparam("limit", type_=Integer)

# The sequencer of events writes it after the commit of a change.
_POSITIONS: Final = table(
    "transaction_positions",
    column("tenant_id", BigInteger),
    column("transaction_id", Integer),
    column("position", BigInteger),
)
_POSITION_ORDER: Final = (_POSITIONS.c.position, _POSITIONS.c.transaction_id)
_CHANGED: Final = Statement(
    select(*_COLUMNS, _POSITIONS.c.position)
    .select_from(_POSITIONS)
    .join(
        _TABLE, and_(_TABLE.c.tenant_id == _POSITIONS.c.tenant_id, _TABLE.c.id == _POSITIONS.c.transaction_id)
    )
    .join(CHARGE_POINTS, is_charge_point_of(_TABLE))
    .where(
        _POSITIONS.c.tenant_id == bindparam("tenant_id"),
        tuple_(*_POSITION_ORDER)
        > tuple_(bindparam("position", type_=BigInteger), bindparam("transaction_id", type_=Integer)),
    )
    .order_by(*_POSITION_ORDER)
    .limit(_LIMIT)
)


class TransactionStore:
    """Reads the transactions of one tenant, each read one statement."""

    __slots__ = ("_source",)

    def __init__(self, source: TenantRows) -> None:
        self._source = source

    async def get(self, transaction_id: int) -> TransactionRecord | None:
        """Return a transaction by its OCPP transactionId."""
        if not 0 < transaction_id <= LARGEST_INT32:
            return None
        rows = await self._rows(_ONE, transaction_id=transaction_id)
        return TransactionRecord(*rows[0].values()) if rows else None

    async def evidence(self, transaction_id: int) -> PackedEvidence:
        """Return the frames behind a transaction that exists."""
        [row] = await self._rows(_EVIDENCE, transaction_id=transaction_id)
        return PackedEvidence(*row.values())

    async def orphans_of(self, transaction_id: int, limit: int) -> list[StoredOrphan]:
        """Return orphan records that belong to a transaction, the oldest first."""
        rows = await self._rows(_ORPHANS_OF, transaction_id=transaction_id, limit=limit)
        return [_orphan(row) for row in rows]

    async def newest_power(
        self, charge_point_ids: Sequence[int] | None, since: datetime
    ) -> list[MeterValueRecord]:
        """Return the newest power sample of each running transaction.

        charge_point_ids None: of all charge points. since: older samples do not count.
        """
        ids = None if charge_point_ids is None else list(charge_point_ids)
        rows = await self._rows(_NEWEST_POWER, charge_point_ids=ids, since=since)
        return [_meter_value(row) for row in rows]

    async def page(
        self,
        limit: int,
        after: tuple[datetime, int] | None = None,
        filters: TransactionFilter | None = None,
    ) -> list[TransactionRecord]:
        """Return transactions, the latest start first. after: start and id of the last one seen."""
        values = _page_values(limit, after, filters or TransactionFilter())
        return [
            TransactionRecord(*row.values()) for row in await self._rows(_page(frozenset(values)), **values)
        ]

    async def changed(self, limit: int, after: ChangePlace) -> list[ChangedTransaction]:
        """Return transactions whose last change is behind another change, the earliest change first."""
        rows = await self._rows(
            _CHANGED, limit=limit, position=after.position, transaction_id=after.transaction_id
        )
        return [
            ChangedTransaction(ChangePlace(position, values[0]), TransactionRecord(*values))
            for *values, position in (row.values() for row in rows)
        ]

    async def meter_values(
        self, transaction: TransactionRecord, limit: int, after: tuple[datetime, int] | None = None
    ) -> list[MeterValueRecord]:
        """Return the values of a transaction, those of its stop included, in the order of their time.

        A sample whose time lies more than a day outside the transaction is found with its charge point only.

        Args:
            transaction: The transaction.
            limit: The most values to return.
            after: Time and digest of the last one seen.
        """
        return await self._meter_values(limit, after, _values_of(transaction))

    async def meter_values_of_charge_point(
        self,
        charge_point_id: int,
        limit: int,
        after: tuple[datetime, int] | None = None,
        filters: MeterValueFilter | None = None,
    ) -> list[MeterValueRecord]:
        """Return the values of a charge point, within a transaction or not, in the order of their time.

        Args:
            charge_point_id: The charge point.
            limit: The most values to return.
            after: Time and digest of the last one seen.
            filters: What narrows them.
        """
        narrow = filters or MeterValueFilter()
        values = given(
            charge_point_id=charge_point_id,
            connector_id=narrow.connector_id,
            from_at=narrow.from_at,
            before=narrow.to_at,
        )
        return await self._meter_values(limit, after, values)

    async def orphan_records(
        self, limit: int, after: int | None = None, charge_point_id: int | None = None
    ) -> list[StoredOrphan]:
        """Return billing messages that fit no transaction, the newest first.

        Args:
            limit: The most records to return.
            after: Id of the last one seen.
            charge_point_id: The charge point whose messages are read; None: all of the tenant.
        """
        values = given(limit=limit, after=after, charge_point_id=charge_point_id)
        rows = await self._rows(_orphan_page(frozenset(values)), **values)
        return [_orphan(row) for row in rows]

    async def _meter_values(
        self, limit: int, after: tuple[datetime, int] | None, narrowed: dict[str, Any]
    ) -> list[MeterValueRecord]:
        values = {**narrowed, "limit": limit}
        if after is not None:
            values["after_at"] = after[0]
            values["after_digest"] = max(SMALLEST_INT64, min(after[1], LARGEST_INT64))
        rows = await self._rows(_meter_page(frozenset(values)), **values)
        return [_meter_value(row) for row in rows]

    async def _rows(self, statement: Statement, **values: Any) -> Sequence[Row]:
        return await self._source.rows(statement, {"tenant_id": self._source.tenant_id, **values})


def _meter_value(row: Row) -> MeterValueRecord:
    *values, packed_values = row.values()
    record = MeterValueRecord(*values)
    return record._replace(sampled_values_json=samples_text(packed_values, record.sampled_values_json))


def _orphan(row: Row) -> StoredOrphan:
    names = ("id", "tenant_id", "charge_point_id", "kind", "action", "raw", "received_at", "transaction_id")
    return StoredOrphan(payload=orjson.loads(row["payload"]), **{name: row[name] for name in names})


def _page_values(
    limit: int, after: tuple[datetime, int] | None, filters: TransactionFilter
) -> dict[str, Any]:
    after_at, after_id = after or (None, None)
    return given(
        limit=limit,
        after_at=after_at,
        after_id=None if after_id is None else min(after_id, LARGEST_INT32),
        identity=filters.identity,
        connector_id=filters.connector_id,
        id_tag_key=None if filters.id_tag is None else fold_id_tag(filters.id_tag),
        running=True if filters.open else None,
        ended=True if filters.open is False else None,
        from_at=filters.from_at,
        to_at=filters.to_at,
    )


def _values_of(transaction: TransactionRecord) -> dict[str, Any]:
    """Return what narrows meter values to those of a transaction, by name."""
    values = {"charge_point_id": transaction.charge_point_id, "transaction_id": transaction.id}
    # Not the whole history; but a clock that was set in between makes any time up to the arrival possible.
    began = min(transaction.started_at, transaction.started_received_at)
    ends = [at for at in (transaction.stopped_at, transaction.stopped_received_at) if at is not None]
    until = max(ends) + _SLACK if ends else None
    return {**values, **given(from_at=began - _SLACK, until=until)}


@cache
def _page(names: frozenset[str]) -> Statement:
    """Return the statement of a page of transactions. names: of the values that narrow it."""
    conditions = [condition for name, condition in _CONDITIONS.items() if name in names]
    return Statement(
        _select_transactions(*conditions).order_by(*(column.desc() for column in _ORDER)).limit(_LIMIT)
    )


@cache
def _meter_page(names: frozenset[str]) -> Statement:
    """Return the statement of a page of meter values. names: of the values that narrow it."""
    conditions = [condition for name, condition in _VALUE_CONDITIONS.items() if name in names]
    statement = select(*_VALUE_COLUMNS).where(
        _VALUES.c.tenant_id == bindparam("tenant_id"),
        _VALUES.c.charge_point_id == bindparam("charge_point_id"),
        *conditions,
    )
    return Statement(statement.order_by(*_VALUE_ORDER).limit(_LIMIT))


@cache
def _orphan_page(names: frozenset[str]) -> Statement:
    """Return the statement of a page of orphan records. names: of the values that narrow it."""
    conditions = [condition for name, condition in _ORPHAN_CONDITIONS.items() if name in names]
    statement = select(*_ORPHAN_COLUMNS).where(_ORPHANS.c.tenant_id == bindparam("tenant_id"), *conditions)
    return Statement(statement.order_by(_ORPHANS.c.id.desc()).limit(_LIMIT))
