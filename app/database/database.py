"""Connections to PostgreSQL, and units of work. No table is known here."""

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

# Connections of one worker, in addition to those of ledger, frame log, reads, commands, messages and logins.
_POOL_SIZE = 8
_POOL_WAIT_S = 10.0
_CONNECT_TIMEOUT_S = 10.0
_STATEMENT_TIMEOUT_S = 30.0
_PING_S = 2.0


class Database:
    """The access of one worker to the database. Open it with `Database.open`."""

    def __init__(self, url: str, engine: AsyncEngine) -> None:
        self.url = url
        """The URL in the form that asyncpg accepts."""
        self.reads = open_reads(url)
        """Connections that cannot write, for reads that are frequent."""
        self._engine = engine
        self._probe: asyncio.Task[bool] | None = None

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect, and check that a commit is durable. The schema must be migrated already (`migrate`).

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
            # It may still hold a connection, which would outlive the pool. It may hang with the database.
            self._probe.cancel()
            await asyncio.wait({self._probe}, timeout=_PING_S)
        await self._engine.dispose()

    def steps(self, purpose: str) -> Prepared:
        """Return connections for one purpose. Each statement is a transaction; the caller closes them.

        Args:
            purpose: Its name in the list of connections of the database server.
        """
        return Prepared(
            self.url,
            purpose,
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

        Raises:
            StoreUnavailable: the database went away. The caller must assume that nothing was committed.
        """
        async with translated_errors(), self._engine.begin() as connection:
            yield TenantWork(connection, TenantId(tenant_id))

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[PlatformWork]:
        """Open a transaction above the tenants: committed at the end, rolled back on an error.

        Raises:
            StoreUnavailable: the database went away. The caller must assume that nothing was committed.
        """
        async with translated_errors(), self._engine.begin() as connection:
            yield PlatformWork(connection)

    async def ping(self) -> None:
        """Check that the database answers.

        Raises:
            StoreUnavailable: it did not answer in time.
        """
        # The query is not cancelled, because that would wait for a database that hangs. Other callers wait
        # for the same query.
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._answers())
        done, _ = await asyncio.wait({self._probe}, timeout=_PING_S)
        if not done or not self._probe.result():
            raise StoreUnavailable

    async def _answers(self) -> bool:
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
    """Return the URL in the form of asyncpg: `postgresql://...`, without a driver name for SQLAlchemy."""
    scheme, rest = url.split("://", 1)
    return f"postgresql://{rest}" if scheme.startswith("postgres") else url


def engine_url(url: str) -> str:
    """Return the URL in the form of SQLAlchemy, with asyncpg as the driver."""
    parts = urlsplit(plain_url(url))
    query = dict(parse_qsl(parts.query))
    # `sslmode` is the name in libpq. asyncpg understands it only in URLs of its own form.
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return urlunsplit(("postgresql+asyncpg", parts.netloc, parts.path, urlencode(query), ""))


def make_engine(url: str) -> AsyncEngine:
    """Return the pool of connections for units of work."""
    return create_async_engine(
        engine_url(url),
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        pool_timeout=_POOL_WAIT_S,
        # After a restart of the database the pool replaces its connections by itself.
        pool_pre_ping=True,
        pool_use_lifo=True,
        # The texts of errors are logged. They must not contain the values of rows.
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
