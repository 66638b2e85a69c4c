"""Connections that run one prepared statement at a time, each a transaction by itself.

A unit of work costs four round trips and several times as much in SQLAlchemy as the one statement in it.
What is asked for all the time, and is one statement, goes this way.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import asyncpg

from app.store.failures import translated_errors
from app.store.statements import Statement

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


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
    """The connections of one worker for one purpose. They are made as they are needed, and kept.

    No pool of asyncpg: what that does for each statement takes twice as long as the statement.
    """

    def __init__(self, url: str, purpose: str, **settings: str) -> None:
        """settings: of the server, for these connections."""
        self._url = url
        self._settings = {"application_name": f"stationmaster {purpose}", "jit": "off", **settings}
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._is_closed = False

    async def close(self) -> None:
        """Disconnect; who still asks is cut off."""
        self._is_closed = True
        try:
            async with asyncio.timeout(_CLOSE_S):
                for _ in range(_CONNECTIONS):
                    await self._turns.acquire()
                for connection in self._open:
                    await connection.close()
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            for connection in self._open:
                connection.terminate()

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement that may be run twice: when the connection ends meanwhile, it is.

        Raises:
            StoreUnavailable: the database is away or too slow; what was asked for may be done or not.
        """
        arguments = statement.arguments(values)
        async with translated_errors():
            try:
                return await self._fetch(statement.text, arguments)
            except _ENDED:
                # While it was idle: a database that was restarted meanwhile is no reason to fail. The others
                # that are idle have ended with it, whether they know it yet or not.
                for connection in self._idle:
                    connection.terminate()
                return await self._fetch(statement.text, arguments)

    async def _fetch(self, text: str, arguments: Sequence[Any]) -> Sequence[Row]:
        if self._is_closed:
            raise asyncpg.InterfaceError("the connections are closed")
        async with self._turns:
            connection = await self._take()
            try:
                # Given up or too slow: the server is told to stop, and nothing else runs on it before.
                rows: list[asyncpg.Record] = await connection.fetch(text, *arguments)
            finally:
                if connection.is_closed():
                    self._open.discard(connection)
                else:
                    self._idle.append(connection)
            return rows

    async def _take(self) -> Connection:
        # The one used last: its plans are the most likely to be there, and the others' to be wanted no more.
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._open.discard(connection)
        connection = await asyncpg.connect(
            self._url,
            timeout=_TIMEOUT_S,
            command_timeout=_TIMEOUT_S,
            max_cached_statement_lifetime=0,
            server_settings=self._settings,
        )
        self._open.add(connection)
        return connection
