"""What is read again and again: one prepared statement each, without a unit of work.

The statements are those of the repositories.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.charge_points import connector_store as connectors
from app.charge_points import store as charge_points
from app.charge_points.records import ChargePointFilter
from app.commands.records import CommandRecord
from app.commands.store import commands
from app.database.prepared import Prepared, Row
from app.database.statements import Statement
from app.transactions import store as transactions
from app.transactions.records import MeterValueFilter, TransactionFilter
from app.types import TenantId


def open_reads(url: str) -> Prepared:
    """Return connections that cannot write."""
    return Prepared(url, "reads", default_transaction_read_only="on")


class TenantReads:
    """The rows of one tenant. Listings are narrowed and ordered as in the repositories."""

    __slots__ = ("_reads", "_tenant_id")

    def __init__(self, reads: Prepared, tenant_id: TenantId) -> None:
        self._reads = reads
        self._tenant_id = tenant_id

    async def charge_point(self, identity: str) -> Row | None:
        """A charge point by its OCPP identity."""
        rows = await self._rows(charge_points.ONE, identity=identity)
        return rows[0] if rows else None

    async def charge_points(self, limit: int, after: str | None, filters: ChargePointFilter) -> Sequence[Row]:
        """A page of charge points; after: identity of the last one seen."""
        values = charge_points.page_values(limit, after, filters)
        return await self._rows(charge_points.page_statement(frozenset(values)), **values)

    async def connectors(self, identity: str) -> Sequence[Row] | None:
        """The connectors of a charge point in the order of their number; None: no such charge point."""
        rows = await self._rows(connectors.OF_IDENTITY, identity=identity)
        if not rows:
            return None
        # A charge point without connectors is one row without a connector.
        return [row for row in rows if row["connector_id"] is not None]

    async def command(self, command_id: UUID) -> CommandRecord | None:
        """A command."""
        rows = await self._rows(commands.ONE, command_id=command_id)
        return commands.record_of(rows[0]) if rows else None

    async def transaction(self, transaction_id: int) -> Row | None:
        """A transaction by its OCPP transactionId."""
        rows = await self._rows(transactions.ONE, transaction_id=transaction_id)
        return rows[0] if rows else None

    async def transactions(self, limit: int, after: int | None, filters: TransactionFilter) -> Sequence[Row]:
        """A page of transactions; after: id of the last one seen."""
        values = transactions.page_values(limit, after, filters)
        return await self._rows(transactions.page_statement(frozenset(values)), **values)

    async def meter_values_of_transaction(
        self, transaction: Row, limit: int, after: tuple[datetime, int] | None
    ) -> Sequence[Row]:
        """A page of the values of a transaction; after: time and digest of the last one seen."""
        narrowed = transactions.values_of_transaction(
            **{name: transaction[name] for name in transactions.NAMES_A_TRANSACTION}
        )
        return await self._meter_values(limit, after, narrowed)

    async def meter_values_of_charge_point(
        self, charge_point_id: int, limit: int, after: tuple[datetime, int] | None, filters: MeterValueFilter
    ) -> Sequence[Row]:
        """A page of the values of a charge point; after: time and digest of the last one seen."""
        return await self._meter_values(
            limit, after, transactions.values_of_charge_point(charge_point_id, filters)
        )

    async def _meter_values(
        self, limit: int, after: tuple[datetime, int] | None, narrowed: Mapping[str, Any]
    ) -> Sequence[Row]:
        values = {**narrowed, **transactions.meter_page_values(limit, after)}
        return await self._rows(transactions.meter_page_statement(frozenset(values)), **values)

    async def _rows(self, statement: Statement, **values: Any) -> Sequence[Row]:
        return await self._reads.rows(statement, {"tenant_id": self._tenant_id, **values})
