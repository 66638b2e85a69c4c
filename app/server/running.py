"""Runs a whole server: engines, schema, workers. They start in this order, and stop in the reverse order."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.server.embedded import start_embedded
from app.server.listener import ServeError, open_listener
from app.server.supervisor import Supervisor, first_of
from app.settings import Settings
from app.tracing.choice import check_tracing

# No process connects to it. A command that needs no Redis must not start one.
_NO_REDIS = "unix:///nonexistent"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that accepts connections.

    settings: complete, including the URLs of the engines; tls_url: None if TLS is not served.
    """

    url: str
    settings: Settings
    tls_url: str | None = None


Companion = Callable[[RunningServer, asyncio.Event], Awaitable[None]]


@asynccontextmanager
async def running_engines(settings: Settings, *, with_redis: bool) -> AsyncIterator[Settings]:
    """Start the engines that have no URL, and yield complete settings.

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

    companion: is started when the workers accept connections, and ends after `stop` is set. If it ends
    earlier, the server stops, too.

    Raises:
        ServeError, EmbeddedError, SettingsError: the server cannot start.
    """
    check_tracing(settings)
    _check_actions(settings)
    _check_certificates(settings)
    # The port first: a second server that is started by mistake fails before it changes anything.
    with await open_listener(settings) as listener:
        async with running_engines(settings, with_redis=True) as complete:
            supervisor = Supervisor(complete, listener)
            async with supervisor.loading():
                await _migrate(complete)
            if settings.tls_port is not None:
                # Otherwise it ends the server, for instance when its terminal is closed.
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, supervisor.reload)
            stop_workers = asyncio.Event()
            server = RunningServer(listener.url, complete, listener.tls_url)
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


def _check_actions(settings: Settings) -> None:
    """Refuse settings that name actions which do not exist.

    Raises:
        ServeError: the text names the variable.
    """
    if settings.command_effect_windows or settings.command_timeouts:
        from app.commands.expected_effects import problem_of_settings

        if (problem := problem_of_settings(settings)) is not None:
            raise ServeError(problem)


def _check_certificates(settings: Settings) -> None:
    """Refuse files for TLS that cannot be used. A server without TLS does not load the modules for that.

    Raises:
        ServeError: the text names the variable and the file.
    """
    if settings.tls_port is not None:
        from app.gateway.server_certificates import CertificateError, check_certificates

        try:
            check_certificates(settings)
        except CertificateError as error:
            raise ServeError(str(error)) from None


async def _migrate(settings: Settings) -> None:
    """Migrate the database, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.server.migration",
        env={**os.environ, **settings.environment()},
        stdout=subprocess.PIPE,
        # Ctrl-C must not interrupt it: half a migration would be rolled back, and start again the next time.
        start_new_session=True,
    )
    output, _ = await process.communicate()
    if process.returncode:
        problem = output.decode().strip()
        raise ServeError(problem or "the database schema cannot be migrated; see the messages above")


async def _run_companion(
    supervisor: Supervisor, server: RunningServer, stop: asyncio.Event, companion: Companion
) -> None:
    await first_of(supervisor.ready, stop)
    if supervisor.ready.is_set():
        await companion(server, stop)
