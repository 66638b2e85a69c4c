"""Reading transactions, their meter values, and what fits no transaction. The ledger writes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, select, tuple_

from app.store import tables
from app.store.authorization import fold_id_tag
from app.store.entries import TIME_UNREADABLE
from app.store.filters import MeterValueFilter, TransactionFilter
from app.store.records import MeterValueRecord, OrphanRecord, TransactionRecord
from app.store.repository import LARGEST_INT32, LARGEST_INT64, SMALLEST_INT64, Repository, columns_of

_TABLE = tables.transactions
_CHARGE_POINTS = tables.charge_points
_COLUMNS = columns_of(TransactionRecord, _TABLE, identity=_CHARGE_POINTS.c.identity)
_VALUES = tables.meter_values
_VALUE_COLUMNS = columns_of(MeterValueRecord, _VALUES)
_ORPHANS = tables.orphan_records
_ORPHAN_COLUMNS = columns_of(OrphanRecord, _ORPHANS)
# A clock that was never set starts at 1970 or 2000.
_PLAUSIBLE_FROM = datetime(2015, 1, 1, tzinfo=UTC)
_SLACK = timedelta(days=1)


class Transactions(Repository):
    """The transactions of one tenant."""

    async def get(self, transaction_id: int) -> TransactionRecord | None:
        """Return a transaction by its OCPP transactionId."""
        if not 0 < transaction_id <= LARGEST_INT32:
            return None
        row = (await self.connection.execute(self._select(_TABLE.c.id == transaction_id))).one_or_none()
        return TransactionRecord(*row) if row is not None else None

    async def page(
        self, limit: int, after: int | None = None, filters: TransactionFilter | None = None
    ) -> list[TransactionRecord]:
        """Return transactions, the newest id first. after: id of the last one seen."""
        statement = self._select(*_conditions(filters or TransactionFilter()))
        if after is not None:
            statement = statement.where(_TABLE.c.id < after)
        rows = await self.connection.execute(statement.order_by(_TABLE.c.id.desc()).limit(limit))
        return [TransactionRecord(*row) for row in rows]

    def _select(self, *conditions: Any) -> Select[Any]:
        joined = _TABLE.join(_CHARGE_POINTS, _CHARGE_POINTS.c.id == _TABLE.c.charge_point_id)
        statement = select(*_COLUMNS).select_from(joined)
        return statement.where(_TABLE.c.tenant_id == self.tenant_id, *conditions)


def _conditions(filters: TransactionFilter) -> list[Any]:
    conditions: list[Any] = []
    if filters.identity is not None:
        conditions.append(_CHARGE_POINTS.c.identity == filters.identity)
    if filters.connector_id is not None:
        conditions.append(_TABLE.c.connector_id == filters.connector_id)
    if filters.id_tag is not None:
        conditions.append(_TABLE.c.id_tag_key == fold_id_tag(filters.id_tag))
    if filters.open is not None:
        ended = _TABLE.c.stopped_received_at
        conditions.append(ended.is_(None) if filters.open else ended.is_not(None))
    if filters.from_at is not None:
        conditions.append(_TABLE.c.started_at >= filters.from_at)
    if filters.to_at is not None:
        conditions.append(_TABLE.c.started_at < filters.to_at)
    return conditions


class MeterValues(Repository):
    """The meter values of one tenant. A page is ordered by (sampled_at, digest); `after` is that pair."""

    async def for_transaction(
        self, transaction: TransactionRecord, limit: int, after: tuple[datetime, int] | None = None
    ) -> list[MeterValueRecord]:
        """Return the values of a transaction: those that name it, and its own stop's.

        A sample whose time lies more than a day outside the transaction is found by `for_charge_point` only.
        """
        statement = self._select(transaction.charge_point_id).where(
            _VALUES.c.transaction_id == transaction.id
        )
        # Not the charge point's whole history; but a clock that was set in between makes any time possible.
        if transaction.started_at >= _PLAUSIBLE_FROM and TIME_UNREADABLE not in transaction.flags:
            statement = statement.where(_VALUES.c.sampled_at >= transaction.started_at - _SLACK)
            if transaction.stopped_at is not None and transaction.stopped_at >= transaction.started_at:
                statement = statement.where(_VALUES.c.sampled_at <= transaction.stopped_at + _SLACK)
        return await self._page(statement, limit, after)

    async def for_charge_point(
        self,
        charge_point_id: int,
        limit: int,
        after: tuple[datetime, int] | None = None,
        filters: MeterValueFilter | None = None,
    ) -> list[MeterValueRecord]:
        """Return the values of a charge point, within a transaction or not."""
        statement = self._select(charge_point_id)
        if filters is not None and filters.connector_id is not None:
            statement = statement.where(_VALUES.c.connector_id == filters.connector_id)
        if filters is not None and filters.from_at is not None:
            statement = statement.where(_VALUES.c.sampled_at >= filters.from_at)
        if filters is not None and filters.to_at is not None:
            statement = statement.where(_VALUES.c.sampled_at < filters.to_at)
        return await self._page(statement, limit, after)

    def _select(self, charge_point_id: int) -> Select[Any]:
        return select(*_VALUE_COLUMNS).where(
            _VALUES.c.tenant_id == self.tenant_id, _VALUES.c.charge_point_id == charge_point_id
        )

    async def _page(
        self, statement: Select[Any], limit: int, after: tuple[datetime, int] | None
    ) -> list[MeterValueRecord]:
        order = (_VALUES.c.sampled_at, _VALUES.c.digest)
        if after is not None:
            at, digest = after
            statement = statement.where(
                tuple_(*order) > tuple_(at, max(SMALLEST_INT64, min(digest, LARGEST_INT64)))
            )
        rows = await self.connection.execute(statement.order_by(*order).limit(limit))
        return [MeterValueRecord(*row) for row in rows]


class Orphans(Repository):
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
