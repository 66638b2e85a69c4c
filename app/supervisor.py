"""Keeps the worker processes of one server running: starts them, starts dead ones anew, stops them all.

All workers accept from one listening socket, which lives here: connections that wait in it survive the death
of a worker. Workers run in sessions of their own, so that Ctrl-C reaches this process only.
"""

import asyncio
import contextlib
import os
import resource
import socket
import sys
from collections.abc import Mapping

from app.logs import get_logger
from app.settings import Settings
from app.worker import GRACE_S, READY

_LOG = get_logger("supervisor")
_KILL_AFTER_S = GRACE_S + 10.0
_PAUSE_LEAST_S, _PAUSE_MOST_S = 0.1, 10.0
# A worker of a supervisor that was killed closes its socket at once, but not before.
_PORT_PATIENCE_S = 2.0
_PORT_LOOK_S = 0.1


class ServeError(Exception):
    """The server cannot start. The text is one line and says what to do."""


async def open_listener(settings: Settings) -> socket.socket:
    """Bind the server's address; port 0 takes any free one.

    Raises:
        ServeError: the port is in use, the address is not of this machine, or it is not allowed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PORT_PATIENCE_S
    while True:
        try:
            return _bind(settings.host, settings.port)
        except OSError as error:
            in_use = error.errno in (98, 48)
            if in_use and loop.time() < deadline:
                await asyncio.sleep(_PORT_LOOK_S)
                continue
            raise ServeError(_bind_problem(settings, error)) from None


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_problem(settings: Settings, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"STATIONMASTER_HOST: {settings.host!r} is no address of this machine: {error.strerror}"
    if error.errno in (98, 48):
        return (
            f"port {settings.port} on {settings.host} is in use; "
            "set STATIONMASTER_PORT (or --port) to another, or stop what listens there"
        )
    return (
        f"STATIONMASTER_HOST, STATIONMASTER_PORT: cannot listen on {settings.host}:{settings.port}: "
        f"{error.strerror}"
    )


def url_of(listener: socket.socket) -> str:
    """The http:// URL for somebody on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def raise_file_limit() -> None:
    """Let this process and its children open as many sockets as the system allows at all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems name a hard limit that they then refuse.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Supervisor:
    """The workers of one server. `ready` is set when all of them accept connections for the first time."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        """settings: complete, with the URLs of the engines; workers get them through their environment."""
        self.ready = asyncio.Event()
        self._settings = settings
        self._listener = listener
        self._stopping = asyncio.Event()
        self._waiting = settings.workers

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the workers running until `stop` is set, then until all of them have ended.

        Raises:
            ServeError: a worker could not even start the first time.
        """
        raise_file_limit()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._settings.workers):
                    group.create_task(self._keep())
                await first_of(stop, self._stopping)
                self._stopping.set()
        except* ServeError as failures:
            raise failures.exceptions[0] from None

    async def _keep(self) -> None:
        """One place for a worker: whoever dies in it is replaced."""
        pause_s = _PAUSE_LEAST_S
        while not self._stopping.is_set():
            was_ready = await self._run_one()
            if self._stopping.is_set():
                return
            if not was_ready and not self.ready.is_set():
                self._stopping.set()
                raise ServeError("a worker ended while it started; what it wrote above says why")
            pause_s = _PAUSE_LEAST_S if was_ready else min(_PAUSE_MOST_S, 2 * pause_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()

    async def _run_one(self) -> bool:
        """Run one worker to its end; says whether it ever accepted connections."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app.worker",
                str(self._listener.fileno()),
                str(theirs.fileno()),
                pass_fds=(self._listener.fileno(), theirs.fileno()),
                env=_environment(self._settings),
                start_new_session=True,
            )
        finally:
            theirs.close()
        with ours:
            readiness = asyncio.create_task(self._wait_until_ready(ours))
            ended = asyncio.create_task(process.wait())
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    await _end(process)
                elif not self._stopping.is_set():
                    _LOG.warning("worker_ended", process=process.pid, code=process.returncode)
                return readiness.done() and readiness.result()
            finally:
                for task in (readiness, ended, stopping):
                    task.cancel()
                if process.returncode is None:
                    process.kill()

    async def _wait_until_ready(self, channel: socket.socket) -> bool:
        channel.setblocking(False)
        if await asyncio.get_running_loop().sock_recv(channel, 1) != READY:
            return False
        if self._waiting > 0:
            self._waiting -= 1
            if self._waiting == 0:
                self.ready.set()
        return True


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask a worker to stop; kill it only when it does not."""
    process.terminate()
    try:
        async with asyncio.timeout(_KILL_AFTER_S):
            await process.wait()
    except TimeoutError:
        _LOG.error("worker_killed", process=process.pid, after_s=_KILL_AFTER_S)
        process.kill()
        await process.wait()


async def first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiters = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()


def _environment(settings: Settings) -> Mapping[str, str]:
    return {**os.environ, **settings.environment()}
