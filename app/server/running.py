"""A whole server in one command: engines, schema, workers; started in this order, stopped in the other."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.server.embedded import start_embedded
from app.server.listener import ServeError, open_listener
from app.server.supervisor import Supervisor, first_of
from app.settings import Settings

# Never connected to: a command that needs no Redis must not start one.
_NO_REDIS = "unix:///nonexistent"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that accepts connections. settings: complete, with the URLs of the engines."""

    url: str
    settings: Settings


Companion = Callable[[RunningServer, asyncio.Event], Awaitable[None]]


@asynccontextmanager
async def running_engines(settings: Settings, *, with_redis: bool) -> AsyncIterator[Settings]:
    """The engines that have no URL are running; gives complete settings.

    Raises:
        EmbeddedError: an engine cannot be started.
    """
    if not with_redis and settings.redis_url is None:
        settings = settings.model_copy(update={"redis_url": _NO_REDIS})
    async with start_embedded(settings) as engines:
        yield settings.model_copy(
            update={"database_url": engines.database_url, "redis_url": engines.redis_url}
        )


async def run_server(settings: Settings, stop: asyncio.Event, companion: Companion) -> None:
    """Serve until `stop` is set.

    companion: runs beside the workers once they accept connections, and returns after `stop` was set (or
    before, which stops the server too).

    Raises:
        ServeError, EmbeddedError: the server cannot start.
    """
    # The port first: whoever starts a second server by mistake hears of it before anything is touched.
    with await open_listener(settings) as listener:
        async with running_engines(settings, with_redis=True) as complete:
            await _migrate(complete)
            supervisor = Supervisor(complete, listener)
            stop_workers = asyncio.Event()
            server = RunningServer(listener.url, complete)
            workers = asyncio.create_task(supervisor.run(stop_workers))
            companion_task = asyncio.create_task(_run_companion(supervisor, server, stop, companion))
            try:
                await asyncio.wait({workers, companion_task}, return_when=asyncio.FIRST_COMPLETED)
                if companion_task.done():
                    companion_task.result()
            finally:
                # The companion talks to the workers, so it ends first; the engines end last.
                companion_task.cancel()
                await asyncio.gather(companion_task, return_exceptions=True)
                stop_workers.set()
                await workers


async def _migrate(settings: Settings) -> None:
    """Bring the database to the newest schema, in a process that takes what it loads with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.server.migration",
        env={**os.environ, **settings.environment()},
        stdout=subprocess.PIPE,
        # Ctrl-C does not cut it short: half a migration would be undone, and begin anew the next time.
        start_new_session=True,
    )
    said, _ = await process.communicate()
    if process.returncode:
        problem = said.decode().strip()
        raise ServeError(
            problem or "the schema cannot be brought up to date; what was written above says why"
        )


async def _run_companion(
    supervisor: Supervisor, server: RunningServer, stop: asyncio.Event, companion: Companion
) -> None:
    await first_of(supervisor.ready, stop)
    if supervisor.ready.is_set():
        await companion(server, stop)
