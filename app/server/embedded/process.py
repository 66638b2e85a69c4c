"""The process of one engine: start it, take it over, wait for it, restart it, stop it."""

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

_LOG = get_logger("embedded")
# Recovery after a crash replays the log, which takes seconds, and more on a slow disk.
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.05
_WATCH_S = 1.0
_LOG_LIMIT_BYTES = 10_000_000


class Engine(Protocol):
    """One engine with its own home, the directory of its data."""

    name: str
    url: str
    home: Path
    account: Account
    stop_signal: signal.Signals

    def prepare(self) -> None:
        """Make everything ready for `command`. It is slow, so it runs in a thread."""

    def command(self) -> list[str]:
        """Return the command line that runs the engine in the foreground."""

    def process_id(self) -> int | None:
        """Return the id of the process that serves this home, even if another owner started it."""

    async def is_ready(self) -> bool:
        """Say whether it accepts work."""


@asynccontextmanager
async def running(engine: Engine, owner: bool) -> AsyncIterator[str]:
    """Run an engine inside the `with` block and yield its URL.

    Args:
        owner: start and stop the engine; otherwise only wait until the owner's engine is ready.

    Raises:
        EmbeddedError: the engine does not start, or does not stop.
    """
    if not owner:
        await _wait_until_ready(engine, None)
        yield engine.url
        return
    owned = _OwnedProcess(engine)
    await asyncio.to_thread(engine.prepare)
    if engine.process_id() is None:
        owned.process = await asyncio.to_thread(_spawn, engine)
    else:
        _LOG.warning("engine_taken_over", engine=engine.name, reason="its owner was killed")
    watcher: asyncio.Task[None] | None = None
    try:
        await _wait_until_ready(engine, owned.process)
        watcher = asyncio.create_task(owned.restart_when_dead(), name=f"embedded-{engine.name}")
        yield engine.url
    finally:
        if watcher is not None:
            watcher.cancel()
            await asyncio.wait([watcher])
        await asyncio.to_thread(_stop, engine, owned.process)


class _OwnedProcess:
    """The process of an engine of which this process is the owner.

    `process` is None while a process serves that an earlier owner started.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.process: subprocess.Popen[bytes] | None = None

    async def restart_when_dead(self) -> None:
        """Start the engine again each time it ends by itself. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(_WATCH_S)
            if self._runs():
                continue
            _LOG.error("engine_died", engine=self._engine.name, log=str(_log_path(self._engine)))
            try:
                await asyncio.to_thread(self._engine.prepare)
                # Not in a thread, because a cancellation would leave an unknown process behind.
                self.process = _spawn(self._engine)
            except (OSError, EmbeddedError) as error:
                _LOG.error("engine_not_restarted", engine=self._engine.name, error=str(error))

    def _runs(self) -> bool:
        if self.process is not None:
            return self.process.poll() is None
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
    path = _log_path(engine)
    full = path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES
    with open(path, "wb" if full else "ab", opener=_private) as log:
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


async def _wait_until_ready(engine: Engine, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not await engine.is_ready():
        if process is not None and process.poll() is not None:
            raise EmbeddedError(f"the embedded {engine.name} ended at its start: {_tail(_log_path(engine))}")
        if time.monotonic() > deadline:
            raise EmbeddedError(f"the embedded {engine.name} is not ready after {_START_TIMEOUT_S:.0f} s")
        await asyncio.sleep(_POLL_S)


def _stop(engine: Engine, process: subprocess.Popen[bytes] | None) -> None:
    """Ask the engine to stop and wait; kill it if it does not."""
    process_id = process.pid if process is not None else engine.process_id()
    if process_id is None:
        return
    for number, patience_s in ((engine.stop_signal, _STOP_TIMEOUT_S), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            # A process of an earlier owner may stay as a zombie, so its working directory decides.
            if process.poll() is not None if process is not None else not runs_in(process_id, engine.home):
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


def _private(path: str, flags: int) -> int:
    """Open a file that only this user reads: statements in a log may hold what tenants store."""
    descriptor = os.open(path, flags, 0o600)
    # It may be of a version that let others read it.
    os.fchmod(descriptor, 0o600)
    return descriptor


def _log_path(engine: Engine) -> Path:
    return engine.home.parent / f"{engine.name}.log"


def _tail(path: Path) -> str:
    with contextlib.suppress(OSError):
        return " | ".join(path.read_text(errors="replace").splitlines()[-3:])
    return "no log"
