"""Connections that run one prepared statement at a time, each a transaction by itself.

A unit of work costs four round trips and several times as much in SQLAlchemy as the one statement in it.
What is asked for all the time, and is one statement, goes this way.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import asyncpg

from app.database.failures import DATABASE_ERRORS, raise_translated
from app.database.statements import Statement

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Row(Protocol):
    """A row as it comes: by the names of its record's fields, JSON columns as text."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column."""

    def values(self) -> Iterable[Any]:
        """Return all columns in the order of the statement."""


_CONNECTIONS = 8
_STATEMENT_S = 30.0
_TIMEOUT_S = _STATEMENT_S + 2.0
"""How long we wait for the server to say what became of a statement."""
_IDLE_S = 300.0
"""How long a connection may have been idle: what stands between us and the server forgets it at some time."""
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
        self._settings = {
            "application_name": f"stationmaster {purpose}",
            "jit": "off",
            "statement_timeout": f"{int(_STATEMENT_S * 1000)}",
            **settings,
        }
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self._open: set[Connection] = set()
        self._idle: deque[tuple[Connection, float]] = deque()
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
        # There may be other values.
        arguments = [values[name] for name in statement.names]
        try:
            return await self._fetch_twice(statement.text, arguments)
        except DATABASE_ERRORS as error:
            raise_translated(error)

    async def _fetch_twice(self, text: str, arguments: Sequence[Any]) -> Sequence[Row]:
        try:
            return await self._fetch(text, arguments)
        except _ENDED:
            # The connection ended while it was idle, because the database was restarted for instance. The
            # others that are idle have ended with it.
            self._end_idle()
            return await self._fetch(text, arguments)

    async def _fetch(self, text: str, arguments: Sequence[Any]) -> Sequence[Row]:
        if self._is_closed:
            raise asyncpg.InterfaceError("the connections are closed")
        async with self._turns:
            connection = await self._take()
            is_given_up = False
            try:
                rows: list[asyncpg.Record] = await connection.fetch(text, *arguments)
            except TimeoutError:
                # The server would have said so before: it is the network, and not of this connection alone.
                connection.terminate()
                self._end_idle()
                raise
            except asyncio.CancelledError:
                is_given_up = True
                raise
            finally:
                self._put_back(connection, is_given_up)
            return rows

    def _put_back(self, connection: Connection, is_given_up: bool) -> None:
        if connection.is_closed():
            self._open.discard(connection)
        elif is_given_up:
            # The server is told to stop, and nothing else runs on it before: so it is the last to be taken.
            self._idle.appendleft((connection, time.monotonic()))
        else:
            self._idle.append((connection, time.monotonic()))

    def _end_idle(self) -> None:
        for connection, _ in self._idle:
            connection.terminate()

    async def _take(self) -> Connection:
        # The one used last: its plans are the most likely to be there, and the others' to be wanted no more.
        while self._idle:
            connection, since = self._idle.pop()
            if not connection.is_closed() and time.monotonic() - since < _IDLE_S:
                return connection
            connection.terminate()
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
