"""The process of one engine: start it, share it, wait for it, restart it, stop it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from app.logs import get_logger
from app.server.embedded.account import Account, EmbeddedError, as_user
from app.server.embedded.engine_log import is_full, log_path, open_log, rotate, tail
from app.server.embedded.locks import Use, change

_LOG = get_logger("embedded")
# Recovery after a crash replays the log, which takes seconds, and more on a slow disk.
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.05
_WATCH_S = 1.0
# After one failed restart after another.
_LONGEST_PAUSE_S = 16.0
# For one process that starts the engine, or stops it, and some more.
_CHANGE_TIMEOUT_S = _START_TIMEOUT_S + _STOP_TIMEOUT_S


class Engine(Protocol):
    """One engine with its own home, the directory of its data."""

    name: str
    url: str
    home: Path
    account: Account
    stop_signal: signal.Signals

    def prepare(self, lock: int) -> None:
        """Make everything ready for `command`. It is slow, so it runs in a thread.

        lock: the descriptor of the engine's lock. A child that writes to the home inherits it, so that no
            other process prepares the engine before the child has ended.
        """

    def command(self) -> list[str]:
        """Return the command line that runs the engine in the foreground."""

    def process_id(self) -> int | None:
        """Return the id of the process that serves this home, even if another owner started it."""

    async def is_ready(self) -> bool:
        """Say whether it accepts work."""


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[str]:
    """Run an engine inside the `with` block and yield its URL.

    Raises:
        EmbeddedError: the engine does not start, or does not stop.
    """
    process = _SharedProcess(engine)
    async with change(engine.home, _CHANGE_TIMEOUT_S) as lock:
        use = Use(engine.home)
        try:
            await process.start(lock)
        except BaseException:
            await process.leave(use)
            raise
    watcher = asyncio.create_task(process.restart_when_dead(), name=f"embedded-{engine.name}")
    try:
        yield engine.url
    finally:
        watcher.cancel()
        await asyncio.wait([watcher])
        async with change(engine.home, _CHANGE_TIMEOUT_S):
            await process.leave(use)


class _SharedProcess:
    """The process of an engine, which this process or another one has started."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._child: subprocess.Popen[bytes] | None = None

    async def start(self, lock: int) -> None:
        """Wait until the engine is ready; start it if it does not run. The caller holds its lock.

        Raises:
            EmbeddedError: it ends at its start, or is not ready in time.
        """
        if self._runs():
            _LOG.info("engine_found", engine=self._engine.name)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not (self._runs() and await self._engine.is_ready()):
            if not self._runs():
                if self._child is not None:
                    text = tail(log_path(self._engine.home))
                    raise EmbeddedError(f"the embedded {self._engine.name} ended at its start: {text}")
                # Also if it was found: a server that was killed may have told it to stop.
                await asyncio.to_thread(self._engine.prepare, lock)
                # Not in a thread, because a cancellation would leave an unknown process behind.
                self._child = _spawn(self._engine)
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"the embedded {self._engine.name} is not ready after {_START_TIMEOUT_S:.0f} s"
                )
            await asyncio.sleep(_POLL_S)

    async def restart_when_dead(self) -> None:
        """Start the engine again if it ends by itself, and bound its log. Runs until it is cancelled."""
        pause_s = _WATCH_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                if not self._runs():
                    await self._restart()
                elif is_full(log_path(self._engine.home)):
                    async with change(self._engine.home, _CHANGE_TIMEOUT_S):
                        await asyncio.to_thread(rotate, log_path(self._engine.home))
                pause_s = _WATCH_S
            except (OSError, EmbeddedError) as error:
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                _LOG.error("engine_not_restarted", engine=self._engine.name, error=str(error))

    async def leave(self, use: Use) -> None:
        """Stop the engine if no other process uses it. The caller holds its lock.

        Raises:
            EmbeddedError: it does not stop.
        """
        try:
            if use.is_the_last():
                await asyncio.to_thread(_stop, self._engine, self._child)
            else:
                _LOG.info("engine_left_running", engine=self._engine.name, reason="another process uses it")
        finally:
            use.end()

    async def _restart(self) -> None:
        async with change(self._engine.home, _CHANGE_TIMEOUT_S) as lock:
            # Another process may have been faster.
            if not self._runs():
                path = log_path(self._engine.home)
                _LOG.error("engine_died", engine=self._engine.name, log=str(path))
                self._child = None
                await self.start(lock)

    def _runs(self) -> bool:
        # Asked first, because it also removes what is left of a child that has ended.
        if self._child is not None and self._child.poll() is None:
            return True
        return self._engine.process_id() is not None


def runs_in(process_id: int, home: Path) -> bool:
    """Say whether a process is alive and, if the system can tell, has this home as working directory."""
    if not _is_alive(process_id):
        return False
    directory = Path(f"/proc/{process_id}/cwd")
    try:
        return directory.resolve(strict=True) == home
    except FileNotFoundError:
        # This system has no /proc, or the process has just ended.
        return not Path("/proc/self").exists()
    except PermissionError:
        return False


def _spawn(engine: Engine) -> subprocess.Popen[bytes]:
    path = log_path(engine.home)
    if is_full(path):
        rotate(path)
    with open_log(path) as log:
        # In a new session, because Ctrl-C in the terminal must not stop the engines before the last commit.
        return subprocess.Popen(  # noqa: S603 - our own command, without a shell
            engine.command(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=engine.home,
            start_new_session=True,
            **as_user(engine.account),
        )


def _stop(engine: Engine, child: subprocess.Popen[bytes] | None) -> None:
    """Ask the engine to stop and wait; kill it if it does not."""
    if child is not None and child.poll() is not None:
        child = None
    process_id = engine.process_id() if child is None else child.pid
    if process_id is None:
        return
    for number, patience_s in ((engine.stop_signal, _STOP_TIMEOUT_S), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            # One that is not our child may stay as a zombie, so its working directory decides.
            if child.poll() is not None if child is not None else not runs_in(process_id, engine.home):
                return
            time.sleep(_POLL_S)
    raise EmbeddedError(f"the embedded {engine.name} (process {process_id}) does not stop")


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
