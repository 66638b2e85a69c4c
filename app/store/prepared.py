"""Connections that run one prepared statement at a time, each a transaction by itself.

A unit of work costs four round trips and several times as much in SQLAlchemy as the one statement in it.
What is asked for all the time, and is one statement, goes this way.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import asyncpg

from app.store.failures import translated_errors
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


class Prepared:
    """The connections of one worker for one purpose."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str, purpose: str, **settings: str) -> Self:
        """Return one that connects as it is needed. settings: of the server, for these connections."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=_CONNECTIONS,
            # A statement by itself leaves nothing behind that would have to be reset.
            reset=_leave_as_it_is,
            timeout=_TIMEOUT_S,
            command_timeout=_TIMEOUT_S,
            max_cached_statement_lifetime=0,
            server_settings={"application_name": f"stationmaster {purpose}", "jit": "off", **settings},
        )
        return cls(await pool)

    async def close(self) -> None:
        """Disconnect; who still asks is cut off."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement that may be run twice: when the connection ends meanwhile, it is.

        Raises:
            StoreUnavailable: the database is away or too slow; what was asked for may be done or not.
        """
        arguments = statement.arguments(values)
        async with translated_errors():
            try:
                return await self._pool.fetch(statement.text, *arguments)
            except _ENDED:
                # While it was idle: a database that was restarted meanwhile is no reason to fail.
                return await self._pool.fetch(statement.text, *arguments)


async def _leave_as_it_is(_: object) -> None:
    """Save the round trip."""
