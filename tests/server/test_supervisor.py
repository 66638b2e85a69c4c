"""The supervisor: a system that refuses a process for a moment does not end the workers that run."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.server import supervisor
from app.server.channel import HEARTBEAT, HEARTBEAT_PERIOD_S, READY
from app.server.listener import Accepting, Listener, ServeError
from app.server.supervisor import Supervisor
from app.settings import Settings

_REFUSED = None


class _Scripted(Supervisor):
    """Its worker ends as the script says, at once; after the last line it runs until the stop."""

    def __init__(self, listener: Listener, *script: bool | None) -> None:
        super().__init__(Settings(), listener)
        self.script = list(script)
        self.done = asyncio.Event()

    async def _run_one(self, number: int) -> bool:
        if not self.script:
            self.done.set()
            await self._stopping.wait()
            return True
        was_ready = self.script.pop(0)
        if was_ready is _REFUSED:
            raise BlockingIOError("the process limit is reached")
        self.ready.set()
        return was_ready


async def test_a_process_that_was_refused_is_asked_for_again() -> None:
    stop = asyncio.Event()
    with Listener(Settings(port=0)) as listener:
        scripted = _Scripted(listener, True, _REFUSED, True)
        running = asyncio.create_task(scripted.run(stop))
        first, _ = await asyncio.wait(
            {running, asyncio.create_task(scripted.done.wait())},
            timeout=10,
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert running not in first
        assert scripted.done.is_set()
        stop.set()
        await running


async def test_a_server_whose_first_worker_is_refused_does_not_start() -> None:
    with Listener(Settings(port=0)) as listener, pytest.raises(ServeError):
        await _Scripted(listener, _REFUSED).run(asyncio.Event())


async def test_a_fork_server_that_hangs_is_killed_and_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(supervisor, "_REQUEST_S", 0.2)
    forking = supervisor._ForkServer(settings)
    killed: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for _ in range(2):
            control = await forking._running()
            process = forking._process
            assert process is not None
            assert process.pid not in killed
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(TimeoutError):
                await forking.start_worker(Accepting(listening))
            assert await process.wait() == -signal.SIGKILL
            assert control.fileno() == -1
            killed.append(process.pid)
    await forking.close()


async def test_a_schema_that_cannot_be_migrated_leaves_no_fork_server(settings: Settings) -> None:
    forking: list[asyncio.subprocess.Process | None] = []

    async def fail(supervisor: Supervisor) -> None:
        async with supervisor.loading():
            forking.append(supervisor._fork_server._process)
            raise ServeError("the schema cannot be migrated")

    with Listener(settings) as listener, pytest.raises(ServeError):
        await fail(Supervisor(settings, listener))
    (process,) = forking
    assert process is not None
    assert process.returncode == -signal.SIGKILL


async def test_the_first_worker_comes_from_what_was_loaded_before(settings: Settings) -> None:
    with Listener(settings) as listener:
        loading = Supervisor(settings, listener)
        async with loading.loading():
            first = loading._fork_server._process
        await loading._fork_server._running()
        assert loading._fork_server._process is first
        await loading._fork_server.kill()


async def test_the_stop_does_not_wait_for_a_fork_server_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "_REQUEST_AT_STOP_S", 0.05)
    ordered, stop = asyncio.Event(), asyncio.Event()

    async def hang(*_: object) -> supervisor._Worker:
        ordered.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(supervisor._ForkServer, "start_worker", hang)
    with Listener(Settings(port=0)) as listener:
        running = asyncio.create_task(Supervisor(Settings(), listener).run(stop))
        async with asyncio.timeout(10):
            await ordered.wait()
            stop.set()
            await running


async def test_a_worker_that_does_not_stop_when_it_is_told_to_is_killed() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours:
        with theirs:
            deaf = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "import signal; signal.pause()", pass_fds=[theirs.fileno()]
            )
        worker = supervisor._Worker(deaf.pid, ours, ours)

        async def life() -> bool:
            return await worker.receive() == b""

        following = asyncio.create_task(life())
        await supervisor._stop_worker(worker, following, kill_after_s=0.0)
        assert following.result()
    assert await deaf.wait() == -signal.SIGKILL


_SIGNS_MISSED = 5
_SILENCE = Settings(worker_silence_s=_SIGNS_MISSED * HEARTBEAT_PERIOD_S)

Pass = Callable[[float], Coroutine[Any, Any, None]]


@pytest.fixture
async def pass_time(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Stop the time of the event loop. The returned function lets some time pass."""
    loop = asyncio.get_running_loop()
    now_s = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now_s)

    async def let_pass(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds
        # More turns of the loop than it takes until everybody who was woken, or has read, waits again.
        for _ in range(20):
            await asyncio.sleep(0)

    return let_pass


class _Puppet(supervisor._Worker):
    """A worker without a process: the test speaks for it."""

    def __init__(self) -> None:
        ours, self._mouth = socket.socketpair()
        ours.setblocking(False)
        metrics, self._their_metrics = socket.socketpair()
        # No system has such a process.
        super().__init__(2**31 - 1, ours, metrics)
        self.kills = 0

    def say(self, word: bytes) -> None:
        self._mouth.send(word)

    def end(self) -> None:
        self._mouth.close()
        self._their_metrics.close()

    def kill(self) -> None:
        self.kills += 1
        self.end()


class _Puppets:
    """Takes the fork server's place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[_Puppet] = []

        async def start(*_: object) -> supervisor._Worker:
            self.started.append(_Puppet())
            return self.started[-1]

        monkeypatch.setattr(supervisor._ForkServer, "start_worker", start)


@pytest.fixture
def puppets(monkeypatch: pytest.MonkeyPatch) -> _Puppets:
    return _Puppets(monkeypatch)


@asynccontextmanager
async def _supervised() -> AsyncIterator[asyncio.Event]:
    """A supervisor that runs, and stops at the end or by the event."""
    stop = asyncio.Event()
    with Listener(Settings(port=0)) as listener:
        running = asyncio.create_task(Supervisor(_SILENCE, listener).run(stop))
        yield stop
        stop.set()
        await running


async def test_silence_counts_only_while_the_supervisor_runs(pass_time: Pass, puppets: _Puppets) -> None:
    async with _supervised():
        await pass_time(0)
        (worker,) = puppets.started
        worker.say(READY)
        await pass_time(0)
        for _ in range(_SIGNS_MISSED - 1):
            # As if the supervisor had been stopped for an hour, each time.
            await pass_time(3600)
        assert worker.kills == 0
        worker.say(HEARTBEAT)
        await pass_time(0)
        for _ in range(_SIGNS_MISSED - 1):
            await pass_time(HEARTBEAT_PERIOD_S)
        assert worker.kills == 0
        await pass_time(HEARTBEAT_PERIOD_S)
        assert worker.kills == 1
        await pass_time(HEARTBEAT_PERIOD_S)
        assert len(puppets.started) == 2
        puppets.started[-1].end()


async def test_a_worker_may_take_its_time_to_start(pass_time: Pass, puppets: _Puppets) -> None:
    async with _supervised():
        for _ in range(10 * _SIGNS_MISSED):
            await pass_time(HEARTBEAT_PERIOD_S)
        (worker,) = puppets.started
        assert worker.kills == 0
        worker.say(READY)
        await pass_time(0)
        for _ in range(_SIGNS_MISSED - 1):
            await pass_time(HEARTBEAT_PERIOD_S)
        assert worker.kills == 0
        await pass_time(HEARTBEAT_PERIOD_S)
        assert worker.kills == 1


async def test_a_worker_that_stops_is_not_killed_for_its_silence(pass_time: Pass, puppets: _Puppets) -> None:
    async with _supervised() as stop:
        await pass_time(0)
        (worker,) = puppets.started
        worker.say(READY)
        await pass_time(0)
        stop.set()
        for _ in range(2 * _SIGNS_MISSED):
            await pass_time(HEARTBEAT_PERIOD_S)
        assert worker.kills == 0
        worker.end()
    assert worker.kills == 0
