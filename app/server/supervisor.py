"""Keeps the worker processes of one server running: starts them, replaces dead and hung ones, stops them all.

They are forked from a process that has loaded the application (`fork_server`), because this one has an event
loop, and should stay small. All run in sessions of their own: Ctrl-C reaches this process only, which stops
them in good order.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys

from app.logs import get_logger
from app.server.channel import ANSWER_BYTES, GRACE_S, HEARTBEAT_PERIOD_S, READY, read_answer, request_worker
from app.server.listener import Listener, ServeError
from app.settings import Settings

_LOG = get_logger("supervisor")
_KILL_AFTER_S = GRACE_S + 10.0
_PAUSE_LEAST_S, _PAUSE_MOST_S = 0.1, 10.0
# The first order waits until the application is loaded.
_REQUEST_S = 60.0
_REQUEST_AT_STOP_S = 5.0


def raise_file_limit() -> None:
    """Let this process and its children open as many sockets as the system allows at all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems name a hard limit that they then refuse.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Supervisor:
    """The workers of one server. `ready` is set when all of them accept connections for the first time."""

    def __init__(self, settings: Settings, listener: Listener) -> None:
        """settings: complete, with the URLs of the engines; workers get them through the environment."""
        self.ready = asyncio.Event()
        self._workers = settings.workers
        self._silence_s = settings.worker_silence_s
        self._listener = listener
        self._fork_server = _ForkServer(settings)
        self._stopping = asyncio.Event()
        self._waiting = settings.workers

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the workers running until `stop` is set, then until all of them have ended.

        Raises:
            ServeError: a worker could not even start the first time.
        """
        raise_file_limit()
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._keep_running())
                await first_of(stop, self._stopping)
                self._stopping.set()
        except* ServeError as failures:
            # Raised in here it would be a group again.
            failure = failures.exceptions[0]
        finally:
            await self._fork_server.close()
        if failure is not None:
            raise failure

    async def _keep_running(self) -> None:
        """One place for a worker: whoever dies in it is replaced."""
        pause_s = _PAUSE_LEAST_S
        while not self._stopping.is_set():
            try:
                was_ready = await self._run_one()
            except OSError as error:
                # The system has no process or no descriptor to give; the other workers go on.
                _LOG.error("worker_not_started", error=str(error))
                was_ready = False
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
        with self._listener.for_worker() as accepting:
            worker = await self._start(accepting)
        if worker is None:
            return False
        with worker.channel:
            life = asyncio.create_task(self._wait_for_end(worker))
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait({life, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not life.done():
                    await _stop_worker(worker, life)
                return life.result()
            finally:
                stopping.cancel()
                if not life.done():
                    worker.kill()
                    await life

    async def _start(self, accepting: socket.socket) -> "_Worker | None":
        """Start a worker; None: everything stops meanwhile."""
        starting = asyncio.create_task(self._fork_server.start_worker(accepting))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                # It stops in better order once it is there.
                await asyncio.wait({starting}, timeout=_REQUEST_AT_STOP_S)
                starting.cancel()
                await asyncio.wait({starting})
            return None if starting.cancelled() else starting.result()
        finally:
            stopping.cancel()
            starting.cancel()

    async def _wait_for_end(self, worker: "_Worker") -> bool:
        """Wait until a worker has ended; says whether it ever accepted connections."""
        if await worker.receive() != READY:
            return False
        if self._waiting > 0:
            self._waiting -= 1
            if self._waiting == 0:
                self.ready.set()
        # Only now: how long a start takes depends on others, such as the database.
        watching = asyncio.create_task(self._watch(worker))
        try:
            while await worker.receive():
                worker.silent_s = 0.0
        finally:
            watching.cancel()
        return True

    async def _watch(self, worker: "_Worker") -> None:
        """Kill a worker whose event loop hangs: it cannot be asked to stop."""
        while worker.silent_s < self._silence_s:
            await asyncio.sleep(HEARTBEAT_PERIOD_S)
            # Counted, and not read from a clock: while this process did not run, it could hear nobody.
            worker.silent_s += HEARTBEAT_PERIOD_S
        # One that stops has its time for that.
        if not self._stopping.is_set():
            _LOG.error("worker_hung", process=worker.process, silent_s=worker.silent_s)
            worker.kill()


class _Worker:
    """A worker as the supervisor sees it. While its end of the channel is open, its process id is its own."""

    def __init__(self, process: int, channel: socket.socket) -> None:
        self.process = process
        self.channel = channel
        self.silent_s = 0.0

    async def receive(self) -> bytes:
        """What it says next; nothing: it has ended."""
        try:
            return await asyncio.get_running_loop().sock_recv(self.channel, 1)
        except ConnectionError:
            return b""

    def stop(self) -> None:
        """Ask it to stop in good order."""
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)


class _ForkServer:
    """The process that workers are forked from. It is started when the first one is needed, or the next."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        # One order at a time: the answers have no names.
        self._requesting = asyncio.Lock()

    async def start_worker(self, accepting: socket.socket) -> _Worker:
        """Return a new worker that will accept connections from a socket.

        Raises:
            OSError: the system has no process or no descriptor to give, or the application does not load.
        """
        async with self._requesting:
            control = await self._running()
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            try:
                with theirs:
                    answer = await self._request(control, accepting, theirs)
                return _Worker(read_answer(answer), ours)
            except BaseException:
                # Should there be a worker, it stops by this.
                ours.close()
                raise

    async def close(self) -> None:
        """Wait until it has ended, which is when the last worker has."""
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

    async def _request(
        self, control: socket.socket, accepting: socket.socket, channel: socket.socket
    ) -> bytes:
        try:
            request_worker(control, accepting, channel)
            async with asyncio.timeout(_REQUEST_S):
                return await asyncio.get_running_loop().sock_recv(control, ANSWER_BYTES)
        except BaseException as error:
            # An answer that comes late must not be taken for the next one's.
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
        self._control, theirs = socket.socketpair()
        self._control.setblocking(False)
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
        return self._control


async def _stop_worker(worker: _Worker, life: "asyncio.Task[bool]") -> None:
    """Ask a worker to stop; kill it only when it does not."""
    worker.stop()
    await asyncio.wait({life}, timeout=_KILL_AFTER_S)
    if not life.done():
        _LOG.error("worker_killed", process=worker.process, after_s=_KILL_AFTER_S)
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
