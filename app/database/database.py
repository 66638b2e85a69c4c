"""Connections to PostgreSQL, and units of work. No table is known here."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self, cast

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.database.address import read_address
from app.database.connecting import StationConnection, connect
from app.database.failures import translated_errors
from app.database.fitness import check_durability
from app.database.prepared import CONNECTIONS, Prepared
from app.database.probe import DatabaseProbe
from app.database.roles import NO_ROLES, Roles, usable_roles
from app.database.text import json_text
from app.database.unit_of_work import EventOutbox, PlatformWork, TenantWork
from app.types import TenantId

_POOL_WAIT_S = 10.0
_CONNECTION_LIFE_S = 300
"""Below the time after which the gateways of large providers silently drop an idle connection (350 s)."""

_STATEMENT_TIMEOUT_S = 30.0
# Whatever the database or the role says: an answer is given after its commit was flushed.
_SETTINGS: Final = {"jit": "off", "synchronous_commit": "on"}


@dataclass(frozen=True, slots=True)
class PoolSizes:
    """The most connections of one worker. The ledger, the frame log and others have six of their own.

    work: for units of work, half of which are kept; statements: for each of four purposes: reads, commands,
    messages, logins.
    """

    work: int = 16
    statements: int = CONNECTIONS


class Database:
    """The access of one worker to the database. Open it with `Database.open`."""

    def __init__(self, url: str, engine: AsyncEngine, sizes: PoolSizes, roles: Roles) -> None:
        self.url = url
        """DATABASE_URL."""
        self.roles = roles
        """The roles that this worker takes."""
        self.reads = open_reads(url, sizes.statements, roles)
        """Connections that cannot write, for reads that are frequent."""
        self.event_listeners: list[Callable[[], None]] = []
        """Called after each commit that may have written events. They must not wait."""
        self.probe = DatabaseProbe(url)
        """For short questions, whatever the other connections do."""
        self._engine = engine
        self._sizes = sizes

    @classmethod
    async def open(cls, url: str, sizes: PoolSizes | None = None) -> Self:
        """Connect, and check that a commit is durable. The schema must be migrated already (`migrate`).

        Raises:
            StoreUnavailable: the database cannot be reached.
            UnfitServerError: fsync or synchronous_commit is off, so an acknowledged record could be lost.
        """
        async with translated_errors():
            connection = await connect(url, "check")
            try:
                await check_durability(connection)
                roles = await usable_roles(connection)
            finally:
                connection.terminate()
        sizes = sizes or PoolSizes()
        return cls(url, make_engine(url, sizes.work), sizes, roles)

    async def close(self) -> None:
        """Close the connections."""
        await self.reads.close()
        await self.probe.close()
        await self._engine.dispose()

    def steps(self, purpose: str) -> Prepared:
        """Return connections for one purpose. Each statement is a transaction; the caller closes them.

        Args:
            purpose: Its name in the list of connections of the database server.
        """
        return Prepared(
            self.url,
            purpose,
            self.events_committed,
            roles=self.roles,
            connections=self._sizes.statements,
            # Whatever the database or the role says: an answer is given after its commit was flushed.
            synchronous_commit="on",
            # Each statement has the keys of its rows. To plan it again would take longer than to run it, and
            # the planner would read a small table as a whole.
            plan_cache_mode="force_generic_plan",
            enable_seqscan="off",
        )

    @asynccontextmanager
    async def tenant(self, tenant_id: TenantId | int) -> AsyncIterator[TenantWork]:
        """Open a transaction on the rows of one tenant: committed at the end, rolled back on an error.

        Rows of other tenants cannot be seen or changed in it, if PostgreSQL has the role for that.

        Raises:
            StoreUnavailable: the database went away. The caller must assume that nothing was committed.
        """
        outbox = EventOutbox()
        async with translated_errors(), self._begun(self.roles.scope_of(tenant_id)) as connection:
            yield TenantWork(connection, TenantId(tenant_id), outbox)
        if outbox.has_events:
            self.events_committed()

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[PlatformWork]:
        """Open a transaction above the tenants: committed at the end, rolled back on an error.

        Raises:
            StoreUnavailable: the database went away. The caller must assume that nothing was committed.
        """
        outbox = EventOutbox()
        async with translated_errors(), self._begun("") as connection:
            yield PlatformWork(connection, outbox)
        if outbox.has_events:
            self.events_committed()

    @asynccontextmanager
    async def _begun(self, scope: str) -> AsyncIterator[AsyncConnection]:
        async with self._engine.begin() as connection:
            # SQLAlchemy begins the transaction with the first statement.
            _driver_connection(connection).scope = scope
            yield connection

    def events_committed(self) -> None:
        """Tell the listeners that a commit may have written events."""
        for listener in self.event_listeners:
            listener()


def _driver_connection(connection: AsyncConnection) -> StationConnection:
    if connection.sync_connection is None:
        raise AssertionError("a unit of work is connected")
    return cast(StationConnection, connection.sync_connection.connection.driver_connection)


def open_reads(url: str, connections: int = CONNECTIONS, roles: Roles = NO_ROLES) -> Prepared:
    """Return connections that cannot write."""
    return Prepared(url, "reads", roles=roles, connections=connections, default_transaction_read_only="on")


def make_engine(url: str, size: int) -> AsyncEngine:
    """Return the pool of connections for units of work. size: how many there may be."""
    kept = (size + 1) // 2
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args=driver_arguments(url, "work", _STATEMENT_TIMEOUT_S),
        pool_size=kept,
        max_overflow=size - kept,
        pool_timeout=_POOL_WAIT_S,
        # After a restart of the database the pool replaces its connections by itself.
        pool_pre_ping=True,
        pool_recycle=_CONNECTION_LIFE_S,
        pool_use_lifo=True,
        # The texts of errors are logged. They must not contain the values of rows.
        hide_parameters=True,
        json_serializer=json_text,
        json_deserializer=orjson.loads,
    )
    # The ping of the driver is a transaction of three round trips, more than most units of work.
    engine.sync_engine.dialect.do_ping = _is_open  # type: ignore[assignment]
    return engine


def _is_open(connection: Any) -> bool:
    """Say whether a pooled connection has not been ended by the server, without asking the server."""
    return not connection.driver_connection.is_closed()


def driver_arguments(url: str, purpose: str, command_timeout_s: float | None = None) -> dict[str, Any]:
    """Return the arguments by which an engine of SQLAlchemy connects as `connect` does."""

    async def connect_one(**_: object) -> Any:
        return await connect(url, purpose, _SETTINGS, command_timeout_s=command_timeout_s)

    arguments: dict[str, Any] = {"async_creator_fn": connect_one}
    if read_address(url).pooler == "transaction":
        # Statements without a name: the next transaction may run on another connection of the server.
        arguments |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""}
    return arguments
