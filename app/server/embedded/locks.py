"""The locks of the data directory. The kernel ends them with the process that holds them, however it dies.

Each engine has two. `NAME.lock` is held while a process starts or stops the engine, so that one does it at a
time. `NAME.users` is shared by all processes that use the engine, so that the last one stops it.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.logs import get_logger
from app.server.embedded.account import EmbeddedError

_LOG = get_logger("embedded")
_POLL_S = 0.05


@contextlib.contextmanager
def ownership(directory: Path, name: str) -> Iterator[bool]:
    """Hold a lock of the data directory inside the `with` block.

    Yields True if this process has the lock, False if another one has it. The lock ends with the process.

    Raises:
        EmbeddedError: the lock file cannot be written.
    """
    with _lock_file(directory / name) as descriptor:
        yield _try_lock(descriptor, fcntl.LOCK_EX)


@asynccontextmanager
async def change(home: Path, patience_s: float) -> AsyncIterator[int]:
    """Wait until no other process starts or stops the engine of a home, and keep others out.

    Yields the descriptor of the lock. A child that inherits it keeps others out until it ends, too.

    Raises:
        EmbeddedError: another process is not done within `patience_s`, or the lock file cannot be written.
    """
    with _lock_file(home.with_name(f"{home.name}.lock")) as descriptor:
        deadline = time.monotonic() + patience_s
        is_told = False
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if not is_told:
                _LOG.info("engine_awaited", engine=home.name, reason="another process starts or stops it")
                is_told = True
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"STATIONMASTER_DATA_DIRECTORY: in {home.parent} another process has been starting or "
                    f"stopping {home.name} for {patience_s:.0f} s: end it, or choose another directory"
                )
            await asyncio.sleep(_POLL_S)
        yield descriptor


class Use:
    """The statement of this process that it uses an engine. It is made and ended inside `change`.

    Raises:
        EmbeddedError: the lock file cannot be written.
    """

    def __init__(self, home: Path) -> None:
        with contextlib.ExitStack() as stack:
            self._descriptor = stack.enter_context(_lock_file(home.with_name(f"{home.name}.users")))
            # Only a process that stops the engine holds it alone, and that one has the other lock.
            if not _try_lock(self._descriptor, fcntl.LOCK_SH):
                raise AssertionError("an engine is stopped outside of its lock")
            self._stack = stack.pop_all()

    def is_the_last(self) -> bool:
        """Say whether no other process uses the engine."""
        return _try_lock(self._descriptor, fcntl.LOCK_EX)

    def end(self) -> None:
        """Use the engine no longer."""
        self._stack.close()


@contextlib.contextmanager
def _lock_file(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EmbeddedError(f"STATIONMASTER_DATA_DIRECTORY: {path}: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
