"""Keeps the workers of one server running: starts them, replaces dead and hanging ones, stops all at the end.

Workers are forked from a process that has loaded the application (`fork_server`). The supervisor itself has
an event loop, which must not be forked, and should stay small. Each process has a session of its own, so
Ctrl-C reaches the supervisor only, which then stops the workers in order.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator

from app.logs import get_logger
from app.scraping.collection import Collection
from app.server.channel import (
    ANSWER_BYTES,
    GRACE_S,
    HEARTBEAT_PERIOD_S,
    READY,
    InheritedSockets,
    read_answer,
    request_worker,
)
from app.server.listener import Accepting, Listener, ServeError
from app.settings import Settings

_LOG = get_logger(__name__)
_KILL_AFTER_S = GRACE_S + 5.0
"""Seconds after the drain of its sockets, within which a worker has to end."""
_PAUSE_LEAST_S, _PAUSE_MOST_S = 0.1, 10.0
# The first request waits until the application is loaded.
_REQUEST_S = 60.0
_REQUEST_AT_STOP_S = 5.0
_LAST_METRICS_S = 1.0


def raise_file_limit() -> None:
    """Let this process and its children open as many sockets as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems refuse the hard limit that they report.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Supervisor:
    """The workers of one server. `ready` is set when all of them have accepted connections once."""

    def __init__(self, settings: Settings, listener: Listener) -> None:
        """Make a supervisor. settings: complete, because workers get them through the environment."""
        self.ready = asyncio.Event()
        self._workers = settings.workers
        self._silence_s = settings.worker_silence_s
        self._kill_after_s = settings.drain_s + _KILL_AFTER_S
        self._listener = listener
        self._fork_server = _ForkServer(settings)
        self._stopping = asyncio.Event()
        self._waiting = settings.workers
        self._alive: set[_Worker] = set()
        self._metrics = Collection()

    @contextlib.asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Let the application be loaded while the block runs. If the block fails, nothing of it stays."""
        raise_file_limit()
        # The first request for a worker tries again, and reports it.
        with contextlib.suppress(OSError):
            await self._fork_server.start()
        try:
            yield
        except BaseException:
            await self._fork_server.kill()
            raise

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the workers running until `stop` is set, then until all of them have ended.

        Raises:
            ServeError: a worker could not start the first time.
        """
        raise_file_limit()
        refreshing = asyncio.create_task(self._metrics.refresh_periodically(), name="metrics")
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._workers):
                    group.create_task(self._keep_running(number))
                await first_of(stop, self._stopping)
                self._stopping.set()
        except* ServeError as failures:
            # An exception that is raised here would be wrapped into a group again.
            failure = failures.exceptions[0]
        finally:
            refreshing.cancel()
            await self._fork_server.close()
        if failure is not None:
            raise failure

    def reload(self) -> None:
        """Let the workers read their certificates again. Connections are not affected."""
        for worker in self._alive:
            worker.reload()

    @contextlib.asynccontextmanager
    async def _present(self, worker: "_Worker", number: int) -> AsyncIterator[None]:
        self._alive.add(worker)
        following = asyncio.create_task(self._metrics.follow(number, worker.metrics), name="worker-metrics")
        try:
            yield
        finally:
            self._alive.discard(worker)
            # What the worker has sent at the end is still read.
            await asyncio.wait([following], timeout=_LAST_METRICS_S)
            following.cancel()
            await asyncio.wait([following])
            worker.metrics.close()

    async def _keep_running(self, number: int) -> None:
        """Keep one worker running: replace it when it ends. number: of its place, from 0."""
        pause_s = _PAUSE_LEAST_S
        while not self._stopping.is_set():
            try:
                was_ready = await self._run_one(number)
            except OSError as error:
                # The system has no process or no descriptor left. The other workers continue.
                _LOG.error("worker_not_started", error=str(error))
                was_ready = False
            if self._stopping.is_set():
                return
            if not was_ready and not self.ready.is_set():
                self._stopping.set()
                raise ServeError("a worker ended while it started; see the messages above")
            pause_s = _PAUSE_LEAST_S if was_ready else min(_PAUSE_MOST_S, 2 * pause_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()

    async def _run_one(self, number: int) -> bool:
        """Run one worker until it ends. Return whether it has accepted connections."""
        with self._listener.for_worker() as accepting:
            worker = await self._start(accepting)
        if worker is None:
            return False
        async with self._present(worker, number):
            life = asyncio.create_task(self._wait_for_end(worker))
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait({life, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not life.done():
                    await _stop_worker(worker, life, self._kill_after_s)
                return life.result()
            finally:
                stopping.cancel()
                if not life.done():
                    worker.kill()
                    await life
                worker.channel.close()

    async def _start(self, accepting: Accepting) -> "_Worker | None":
        """Start a worker. Return None if the server stops meanwhile."""
        starting = asyncio.create_task(self._fork_server.start_worker(accepting))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                # A worker that exists can be stopped in order, so wait for it.
                await asyncio.wait({starting}, timeout=_REQUEST_AT_STOP_S)
                starting.cancel()
                await asyncio.wait({starting})
            return None if starting.cancelled() else starting.result()
        finally:
            stopping.cancel()
            starting.cancel()

    async def _wait_for_end(self, worker: "_Worker") -> bool:
        """Wait until a worker has ended. Return whether it has accepted connections."""
        if await worker.receive() != READY:
            return False
        if self._waiting > 0:
            self._waiting -= 1
            if self._waiting == 0:
                self.ready.set()
        # Not earlier: the time of a start depends on other servers, such as the database.
        watching = asyncio.create_task(self._watch(worker))
        try:
            while await worker.receive():
                worker.silent_s = 0.0
        finally:
            watching.cancel()
        return True

    async def _watch(self, worker: "_Worker") -> None:
        """Kill a worker whose event loop hangs, because it cannot be asked to stop."""
        while worker.silent_s < self._silence_s:
            await asyncio.sleep(HEARTBEAT_PERIOD_S)
            # Counted and not read from a clock: while this process was suspended, it received no heartbeats.
            worker.silent_s += HEARTBEAT_PERIOD_S
        # A worker that stops has its own time limit.
        if not self._stopping.is_set():
            _LOG.error("worker_hung", process=worker.process, silent_s=worker.silent_s)
            worker.kill()


class _Worker:
    """A worker, as the supervisor sees it. Its process id is valid while its end of the channel is open."""

    def __init__(self, process: int, channel: socket.socket, metrics: socket.socket) -> None:
        self.process = process
        self.channel = channel
        self.metrics = metrics
        self.silent_s = 0.0

    async def receive(self) -> bytes:
        """Return its next message, or nothing if it has ended."""
        try:
            return await asyncio.get_running_loop().sock_recv(self.channel, 1)
        except ConnectionError:
            return b""

    def stop(self) -> None:
        """Ask it to finish its requests and exit."""
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_WR)

    def reload(self) -> None:
        """Ask it to read its certificates again."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGHUP)

    def kill(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)


class _ForkServer:
    """The process that workers are forked from. It is started for a request if it is not running."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        # One request at a time, because answers do not name their request.
        self._requesting = asyncio.Lock()

    async def start_worker(self, accepting: Accepting) -> _Worker:
        """Return a new worker that will accept connections from these sockets.

        Raises:
            OSError: the system has no process or no descriptor left, or the application does not load.
        """
        async with self._requesting:
            control = await self._running()
            (ours, theirs), (our_metrics, their_metrics) = socket.socketpair(), socket.socketpair()
            ours.setblocking(False)
            try:
                with theirs, their_metrics:
                    sockets = InheritedSockets(accepting.all(), theirs, their_metrics)
                    answer = await self._request(control, sockets)
                return _Worker(read_answer(answer), ours, our_metrics)
            except BaseException:
                # If the worker exists, this stops it.
                ours.close()
                our_metrics.close()
                raise

    async def start(self) -> None:
        """Start it before the first request.

        Raises:
            OSError: the system has no process or no descriptor left.
        """
        async with self._requesting:
            await self._running()

    async def kill(self) -> None:
        """Kill it. It must have no workers."""
        self._give_up()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def close(self) -> None:
        """Wait until it has ended. It ends after its last worker."""
        self._give_up()
        if self._process is None:
            return
        try:
            async with asyncio.timeout(_KILL_AFTER_S):
                await self._process.wait()
        except TimeoutError:
            _LOG.error("fork_server_killed", process=self._process.pid, after_s=_KILL_AFTER_S)
            self._process.kill()
            await self._process.wait()

    async def _request(self, control: socket.socket, sockets: InheritedSockets) -> bytes:
        try:
            request_worker(control, sockets)
            async with asyncio.timeout(_REQUEST_S):
                return await asyncio.get_running_loop().sock_recv(control, ANSWER_BYTES)
        except BaseException as error:
            # A late answer must not be taken for the answer to the next request.
            self._give_up()
            if isinstance(error, TimeoutError) and self._process is not None:
                _LOG.error("fork_server_killed", process=self._process.pid, after_s=_REQUEST_S)
                self._process.kill()
            raise

    def _give_up(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None

    async def _running(self) -> socket.socket:
        if self._process is not None and self._process.returncode is not None:
            _LOG.warning("fork_server_ended", process=self._process.pid, code=self._process.returncode)
            self._give_up()
        if self._control is not None:
            return self._control
        control, theirs = socket.socketpair()
        control.setblocking(False)
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "app.server.fork_server",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    env={**os.environ, **self._settings.environment()},
                    start_new_session=True,
                )
        except BaseException:
            control.close()
            raise
        self._control = control
        return control


async def _stop_worker(worker: _Worker, life: "asyncio.Task[bool]", kill_after_s: float) -> None:
    """Ask a worker to stop, and kill it if it does not."""
    worker.stop()
    await asyncio.wait({life}, timeout=kill_after_s)
    if not life.done():
        _LOG.error("worker_killed", process=worker.process, after_s=kill_after_s)
        worker.kill()
        await life


async def first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiters = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
