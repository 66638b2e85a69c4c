"""A whole server in one command: engines, schema, workers; started in this order, stopped in the other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg

from app.embedded import start_embedded
from app.errors import StoreUnavailable
from app.settings import Settings
from app.store.migrations import migrate
from app.supervisor import ServeError, Supervisor, first_of, open_listener

# Never connected to: a command that needs no Redis must not start one.
_NO_REDIS = "unix:///nonexistent"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that accepts connections. settings: complete, with the URLs of the engines."""

    url: str
    settings: Settings


Companion = Callable[[RunningServer, asyncio.Event], Awaitable[None]]


@asynccontextmanager
async def prepared_store(settings: Settings, *, with_redis: bool) -> AsyncIterator[Settings]:
    """The engines that have no URL are running and the schema is the newest one; gives complete settings.

    Raises:
        EmbeddedError: an engine cannot be started.
        ServeError: the database cannot be reached.
    """
    if not with_redis and settings.redis_url is None:
        settings = settings.model_copy(update={"redis_url": _NO_REDIS})
    async with start_embedded(settings) as engines:
        urls = {"database_url": engines.database_url, "redis_url": engines.redis_url}
        try:
            await migrate(engines.database_url)
        except StoreUnavailable as unavailable:
            place = _place(engines.database_url)
            raise ServeError(f"DATABASE_URL: {place} {_reason(unavailable)}") from None
        yield settings.model_copy(update=urls)


def _reason(unavailable: StoreUnavailable) -> str:
    """What the server said (no such database, no such user), or that it says nothing."""
    cause = unavailable.__cause__
    cause = getattr(cause, "orig", None) or cause
    found = cause if isinstance(cause, asyncpg.PostgresError) else getattr(cause, "__cause__", None)
    return f"says: {found}" if isinstance(found, asyncpg.PostgresError) else "does not answer"


def _place(url: str) -> str:
    """Host and port of a URL, without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'the local socket'}:{parts.port or 5432}"


async def run_server(settings: Settings, stop: asyncio.Event, companion: Companion) -> None:
    """Serve until `stop` is set.

    companion: runs beside the workers once they accept connections, and returns after `stop` was set (or
    before, which stops the server too).

    Raises:
        ServeError, EmbeddedError: the server cannot start.
    """
    # The port first: whoever starts a second server by mistake hears of it before anything is touched.
    with await open_listener(settings) as listener:
        async with prepared_store(settings, with_redis=True) as complete:
            supervisor = Supervisor(complete, listener)
            stop_workers = asyncio.Event()
            server = RunningServer(listener.url, complete)
            workers = asyncio.create_task(supervisor.run(stop_workers))
            beside = asyncio.create_task(_beside(supervisor, server, stop, companion))
            try:
                await asyncio.wait({workers, beside}, return_when=asyncio.FIRST_COMPLETED)
                if beside.done():
                    beside.result()
            finally:
                # The companion talks to the workers, so it ends first; the engines end last.
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)
                stop_workers.set()
                await workers


async def _beside(
    supervisor: Supervisor, server: RunningServer, stop: asyncio.Event, companion: Companion
) -> None:
    await first_of(supervisor.ready, stop)
    if supervisor.ready.is_set():
        await companion(server, stop)
