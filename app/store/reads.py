"""What dashboards read again and again: one prepared statement each, without a unit of work.

A unit of work costs four round trips and several times as much in SQLAlchemy as the one statement in it. The
statements are those of the repositories.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, Self

import asyncpg

from app.ids import TenantId
from app.store import charge_points, connectors, transactions
from app.store.failures import translated_errors
from app.store.filters import ChargePointFilter, MeterValueFilter, TransactionFilter
from app.store.statements import Statement


class Row(Protocol):
    """A row as it comes: by the names of its record's fields, JSON columns as text."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column."""


_CONNECTIONS = 8
_TIMEOUT_S = 30.0
_CLOSE_S = 5.0
_ENDED = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    # What asyncpg makes of the last words of a server, when it reads them as the answer.
    asyncpg.InternalClientError,
    ConnectionError,
)


class Reads:
    """The connections of one worker. Each statement is a transaction by itself."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str) -> Self:
        """Return one that connects as it is needed."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=_CONNECTIONS,
            # What only reads leaves nothing behind that would have to be reset.
            reset=_leave_as_it_is,
            timeout=_TIMEOUT_S,
            command_timeout=_TIMEOUT_S,
            max_cached_statement_lifetime=0,
            server_settings={
                "application_name": "stationmaster reads",
                "jit": "off",
                "default_transaction_read_only": "on",
            },
        )
        return cls(await pool)

    async def close(self) -> None:
        """Disconnect; who still reads is cut off."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement.

        Raises:
            StoreUnavailable: the database is away or too slow.
        """
        arguments = statement.arguments(values)
        async with translated_errors():
            try:
                return await self._pool.fetch(statement.text, *arguments)
            except _ENDED:
                # While it was idle: a database that was restarted meanwhile is no reason to fail.
                return await self._pool.fetch(statement.text, *arguments)


class TenantReads:
    """The rows of one tenant. Listings are narrowed and ordered as in the repositories."""

    __slots__ = ("_reads", "_tenant_id")

    def __init__(self, reads: Reads, tenant_id: TenantId) -> None:
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


async def _leave_as_it_is(_: object) -> None:
    """Save the round trip."""
