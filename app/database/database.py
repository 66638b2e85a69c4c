"""Connections to PostgreSQL and units of work. It knows no table."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.database.failures import translated_errors
from app.database.prepared import Prepared
from app.database.text import json_text
from app.database.unit_of_work import PlatformWork, TenantWork
from app.errors import StoreUnavailable
from app.types import TenantId

# Connections of one worker besides those of ledger, frame log, reads, commands and attendance.
_POOL_SIZE = 8
_POOL_WAIT_S = 10.0
_CONNECT_TIMEOUT_S = 10.0
_STATEMENT_TIMEOUT_S = 30.0
_PING_S = 2.0


class Database:
    """One worker's access to the record. Open it with `Database.open`."""

    def __init__(self, url: str, engine: AsyncEngine) -> None:
        self.url = url
        """As asyncpg takes it."""
        self.reads = open_reads(url)
        """Connections that cannot write, for what is read again and again."""
        self._engine = engine
        self._probe: asyncio.Task[bool] | None = None

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect, and make sure that a commit is durable. The schema must be there already (`migrate`).

        Raises:
            StoreUnavailable: the database cannot be reached.
            RuntimeError: fsync or synchronous_commit is off, so an acknowledged record could be lost.
        """
        plain = plain_url(url)
        engine = make_engine(plain)
        try:
            async with translated_errors(), engine.connect() as connection:
                await _assert_durable(connection)
        except BaseException:
            await engine.dispose()
            raise
        return cls(plain, engine)

    async def close(self) -> None:
        """Close the connections."""
        await self.reads.close()
        if self._probe is not None:
            # A connection that it still holds would outlive the pool. It may hang with the database.
            self._probe.cancel()
            await asyncio.wait({self._probe}, timeout=_PING_S)
        await self._engine.dispose()

    def prepared(self, purpose: str, **settings: str) -> Prepared:
        """Return connections for one purpose, each statement a transaction by itself; the caller closes them.

        Args:
            purpose: Its name in the database's list of connections.
            settings: Settings of the database server for these connections.
        """
        return Prepared(self.url, purpose, **settings)

    @asynccontextmanager
    async def tenant(self, tenant_id: TenantId | int) -> AsyncIterator[TenantWork]:
        """One transaction on one tenant's rows: committed at the end, rolled back on an error.

        Raises:
            StoreUnavailable: the database went away; nothing was committed that the caller may rely on.
        """
        async with translated_errors(), self._engine.begin() as connection:
            yield TenantWork(connection, TenantId(tenant_id))

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[PlatformWork]:
        """One transaction above the tenants: committed at the end, rolled back on an error.

        Raises:
            StoreUnavailable: the database went away; nothing was committed that the caller may rely on.
        """
        async with translated_errors(), self._engine.begin() as connection:
            yield PlatformWork(connection)

    async def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            StoreUnavailable: there was none.
        """
        # Not cancelled: that would wait for a database that hangs. Whoever asks meanwhile waits for the same.
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait({self._probe}, timeout=_PING_S)
        if not done or not self._probe.result():
            raise StoreUnavailable

    async def _ask(self) -> bool:
        try:
            async with translated_errors(), self._engine.connect() as connection:
                await connection.execute(text("select 1"))
        except StoreUnavailable:
            return False
        return True


def open_reads(url: str) -> Prepared:
    """Return connections that cannot write."""
    return Prepared(url, "reads", default_transaction_read_only="on")


def plain_url(url: str) -> str:
    """Return the URL as asyncpg takes it: `postgresql://...`, without SQLAlchemy's driver name."""
    scheme, rest = url.split("://", 1)
    return f"postgresql://{rest}" if scheme.startswith("postgres") else url


def engine_url(url: str) -> str:
    """Return the URL as SQLAlchemy takes it, with asyncpg as its driver."""
    parts = urlsplit(plain_url(url))
    query = dict(parse_qsl(parts.query))
    # libpq's name for it; asyncpg understands it in its own URLs only.
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return urlunsplit(("postgresql+asyncpg", parts.netloc, parts.path, urlencode(query), ""))


def make_engine(url: str) -> AsyncEngine:
    """Return a pool of connections for the repositories."""
    return create_async_engine(
        engine_url(url),
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        pool_timeout=_POOL_WAIT_S,
        # The pool heals by itself after a restart of the database.
        pool_pre_ping=True,
        pool_use_lifo=True,
        # The texts of errors go to the log; the values of rows do not.
        hide_parameters=True,
        json_serializer=json_text,
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": _CONNECT_TIMEOUT_S,
            "command_timeout": _STATEMENT_TIMEOUT_S,
            "server_settings": {"application_name": "stationmaster", "jit": "off"},
        },
    )


async def _assert_durable(connection: AsyncConnection) -> None:
    for setting in ("fsync", "synchronous_commit"):
        value = (await connection.execute(text(f"show {setting}"))).scalar_one()
        if value == "off":
            raise RuntimeError(f"PostgreSQL runs with {setting}=off: an acknowledged record could be lost")
