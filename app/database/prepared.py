"""Connections that run prepared statements, one at a time, each in a transaction of its own.

A unit of work costs four round trips, and several times as much CPU in SQLAlchemy as the statement itself.
So a frequent request that needs one statement is run here.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol, TypeAlias
from weakref import WeakKeyDictionary

import asyncpg

from app.database.connecting import StationConnection, connect, keep_settings
from app.database.failures import DATABASE_ERRORS, raise_translated
from app.database.roles import NO_ROLES, Roles
from app.database.statements import Statement
from app.database.within_tenant import TenantStatements
from app.types import TenantId

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Row(Protocol):
    """A row as the driver returns it. Columns have the names of the record's fields; JSON is text."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column."""

    def values(self) -> Iterable[Any]:
        """Return all columns in the order of the statement."""


Run: TypeAlias = Callable[[Statement, Mapping[str, Any]], Awaitable[Sequence[Row]]]
"""Runs a statement; JSON goes in and comes out as text."""

CONNECTIONS: Final = 8
"""The default number of connections for one purpose."""
_STATEMENT_S = 30.0
_TIMEOUT_S = _STATEMENT_S + 2.0
"""How long we wait for the server to report the result of a statement."""
_IDLE_S = 300.0
"""The longest idle time of a connection: a proxy or firewall may drop idle connections."""
_CLOSE_S = 5.0
_ENDED = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    # asyncpg raises this when it takes the last message of a server for the answer.
    asyncpg.InternalClientError,
    ConnectionError,
)


class Prepared:
    """The connections of one worker for one purpose. They are opened when needed, and kept.

    It does not use the pool of asyncpg, whose work for each statement takes twice as long as the statement.
    """

    def __init__(
        self,
        url: str,
        purpose: str,
        events_committed: Callable[[], None] | None = None,
        *,
        roles: Roles = NO_ROLES,
        connections: int = CONNECTIONS,
        **settings: str,
    ) -> None:
        """Make the connections.

        Args:
            url: DATABASE_URL.
            purpose: its name in the list of connections of the database server.
            events_committed: called after each statement that may have written events.
            roles: the roles that PostgreSQL has.
            connections: how many there may be.
            settings: settings of the database server for these connections.
        """
        self._url = url
        self._purpose = purpose
        self._roles = roles
        self._connections = connections
        self._events_committed = events_committed
        self._settings = {
            "jit": "off",
            "statement_timeout": f"{int(_STATEMENT_S * 1000)}",
            **settings,
        }
        self._slots = asyncio.Semaphore(connections)
        self._open: set[StationConnection] = set()
        self._idle: deque[tuple[StationConnection, float]] = deque()
        self._of_tenants: WeakKeyDictionary[StationConnection, TenantStatements] = WeakKeyDictionary()
        self._is_closed = False

    async def close(self) -> None:
        """Wait for running statements up to a limit, then disconnect."""
        self._is_closed = True
        try:
            async with asyncio.timeout(_CLOSE_S):
                for _ in range(self._connections):
                    await self._slots.acquire()
                for connection in self._open:
                    await connection.close()
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            for connection in self._open:
                connection.terminate()

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement above the tenants. If the connection ends while it runs, it may run twice.

        Raises:
            StoreUnavailable: the database is away or too slow. The change may or may not be done.
        """
        return await self._rows(None, statement, values)

    def of(self, tenant_id: TenantId) -> Run:
        """Return what runs statements as `rows` does, which see and change rows of one tenant only."""
        return partial(self._rows, tenant_id)

    async def _rows(
        self, tenant_id: TenantId | None, statement: Statement, values: Mapping[str, Any]
    ) -> Sequence[Row]:
        # Other values are ignored.
        arguments = [values[name] for name in statement.names]
        try:
            rows = await self._fetch_twice(tenant_id, statement.text, arguments)
        except DATABASE_ERRORS as error:
            raise_translated(error, statement.names)
        if statement.writes_events and self._events_committed is not None:
            self._events_committed()
        return rows

    async def _fetch_twice(
        self, tenant_id: TenantId | None, text: str, arguments: Sequence[Any]
    ) -> Sequence[Row]:
        try:
            return await self._fetch(tenant_id, text, arguments)
        except _ENDED:
            # The connection ended while it was idle, for example because the database was restarted. The
            # other idle connections have ended too.
            self._end_idle()
            return await self._fetch(tenant_id, text, arguments)

    async def _fetch(self, tenant_id: TenantId | None, text: str, arguments: Sequence[Any]) -> Sequence[Row]:
        if self._is_closed:
            raise asyncpg.InterfaceError("the connections are closed")
        async with self._slots:
            connection = await self._acquire()
            is_cancelled = False
            try:
                rows = await self._fetch_on(connection, tenant_id, text, arguments)
            except TimeoutError:
                # The server has a shorter timeout, so this is the network. Others are affected too.
                connection.terminate()
                self._end_idle()
                raise
            except asyncio.CancelledError:
                is_cancelled = True
                raise
            finally:
                self._release(connection, is_cancelled)
            return rows

    async def _fetch_on(
        self, connection: StationConnection, tenant_id: TenantId | None, text: str, arguments: Sequence[Any]
    ) -> list[asyncpg.Record]:
        if (statements := self._of_tenants.get(connection)) is not None:
            await statements.settle()
            if tenant_id is not None:
                return await statements.fetch(tenant_id, text, arguments)
        connection.scope = "" if tenant_id is None else self._roles.scope_of(tenant_id)
        try:
            async with keep_settings(connection):
                return await connection.fetch(text, *arguments)
        except BaseException:
            if statements is not None:
                statements.unsettle()
            raise

    def _release(self, connection: StationConnection, is_cancelled: bool) -> None:
        if connection.is_closed():
            self._open.discard(connection)
        elif is_cancelled:
            # The server is told to stop, and the connection is not usable before. So it is taken last.
            self._idle.appendleft((connection, time.monotonic()))
        else:
            self._idle.append((connection, time.monotonic()))

    def _end_idle(self) -> None:
        for connection, _ in self._idle:
            connection.terminate()

    async def _acquire(self) -> StationConnection:
        # The connection that was used last is taken first: it is the most likely to have the plan already. So
        # surplus connections become idle, and are closed.
        while self._idle:
            connection, since = self._idle.pop()
            if not connection.is_closed() and time.monotonic() - since < _IDLE_S:
                return connection
            connection.terminate()
            self._open.discard(connection)
        connection = await connect(
            self._url, self._purpose, self._settings, timeout_s=_TIMEOUT_S, command_timeout_s=_TIMEOUT_S
        )
        if self._roles.app and not connection.in_each_transaction:
            self._of_tenants[connection] = await TenantStatements.of(connection)
        self._open.add(connection)
        return connection
