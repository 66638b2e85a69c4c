"""Where contents are kept: the interface, and the folder of one server.

Contents are named by tenant and SHA-256, so equal files of a tenant share one, and a content never changes.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from app.errors import Unavailable
from app.files.records import ContentKey
from app.logs import get_logger

Result = TypeVar("Result")

LOCAL_CHUNK_BYTES: Final = 65_536
"""Bytes that are read at once. One such read from the page cache takes 15 us of the event loop."""
_THREADS: Final = 4
_LOG = get_logger(__name__)


class ContentReader(Protocol):
    """Reads one content."""

    async def read(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes from `start`; fewer are not the end. Empty: the content is damaged.

        Raises:
            Unavailable: the storage does not answer.
        """

    def close(self) -> None:
        """Release what the reader holds."""


class FileStorage(Protocol):
    """Keeps contents. Every method may be repeated, and none leaves a half content under its name."""

    chunk_bytes: int
    """Bytes to read at once."""

    async def keep(self, key: ContentKey, path: Path, size_bytes: int) -> None:
        """Keep the content of a file. The file at `path` stays; it was flushed.

        Raises:
            Unavailable: the storage is full or does not answer.
        """

    async def open(self, key: ContentKey) -> ContentReader | None:
        """Open a content; None: it is missing.

        Raises:
            Unavailable: the storage does not answer.
        """

    async def delete(self, key: ContentKey) -> None:
        """Delete a content, if it is there.

        Raises:
            Unavailable: the storage does not answer.
        """

    async def delete_tenant(self, tenant_id: int) -> None:
        """Delete all contents of a tenant.

        Raises:
            Unavailable: the storage does not answer.
        """


class FileThreads:
    """Threads for work on files, so that a slow disk stops neither the event loop nor the resolver."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="files")

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function in a thread, and return its result.

        A cancelled caller waits for the thread, too: it may close the descriptor that the thread works on.
        """
        future = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            raise

    def start(self) -> None:
        """Do nothing: the threads begin when they are needed."""

    async def close(self) -> None:
        """Let the threads end. Work that has begun is finished."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _LocalReader:
    """Reads a file without a thread as long as its pages are in memory."""

    def __init__(self, descriptor: int, threads: FileThreads) -> None:
        self._descriptor = descriptor
        self._threads = threads
        self._without_thread = hasattr(os, "preadv") and hasattr(os, "RWF_NOWAIT")

    async def read(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes from `start`."""
        if self._without_thread:
            buffer = bytearray(size)
            try:
                count = os.preadv(self._descriptor, [buffer], start, os.RWF_NOWAIT)
                return bytes(memoryview(buffer)[:count])
            except BlockingIOError:
                # The page must be read from the disk.
                pass
            except OSError:
                self._without_thread = False
        try:
            return await self._threads.run(os.pread, self._descriptor, size, start)
        except OSError as error:
            raise _unavailable(error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class LocalStorage:
    """Keeps contents in a folder. The servers of one installation need one that they share."""

    chunk_bytes = LOCAL_CHUNK_BYTES

    def __init__(self, folder: Path, threads: FileThreads) -> None:
        """folder: made when it is first needed, with mode 0700."""
        self._folder = folder
        self._threads = threads

    async def keep(self, key: ContentKey, path: Path, size_bytes: int) -> None:
        """Keep the content of a file."""
        try:
            await self._threads.run(_link, path, self._path(key), size_bytes)
        except OSError as error:
            raise _unavailable(error) from error

    async def open(self, key: ContentKey) -> ContentReader | None:
        """Open a content; None: it is missing."""
        try:
            descriptor = await self._threads.run(os.open, self._path(key), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(error) from error
        return _LocalReader(descriptor, self._threads)

    async def delete(self, key: ContentKey) -> None:
        """Delete a content, if it is there."""
        try:
            with contextlib.suppress(FileNotFoundError):
                await self._threads.run(os.unlink, self._path(key))
        except OSError as error:
            raise _unavailable(error) from error

    async def delete_tenant(self, tenant_id: int) -> None:
        """Delete all contents of a tenant."""
        folder = self._folder / str(tenant_id)
        try:
            with contextlib.suppress(FileNotFoundError):
                await self._threads.run(shutil.rmtree, folder)
        except OSError as error:
            raise _unavailable(error) from error

    def _path(self, key: ContentKey) -> Path:
        return self._folder / str(key.tenant_id) / key.sha256[:2] / key.sha256


def make_private_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing. Only the user of the server may enter it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        # Another worker may make it at the same time.
        path.mkdir(mode=0o700, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(source: Path, target: Path, size_bytes: int) -> None:
    """Give a finished file its lasting name, at once and whole."""
    make_private_folder(target.parent)
    try:
        os.link(source, target)
    except FileExistsError:
        if target.stat().st_size == size_bytes:
            return
        # Damaged from outside. The same content takes its place.
        scratch = target.with_name(f"{target.name}.{os.getpid()}")
        scratch.unlink(missing_ok=True)
        os.link(source, scratch)
        os.replace(scratch, target)
    sync_folder(target.parent)


def _unavailable(error: OSError) -> Unavailable:
    _LOG.warning("file_storage_failed", error=str(error))
    return Unavailable("The storage of files does not answer.", "file_storage_unavailable")
