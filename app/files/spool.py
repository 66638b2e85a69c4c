"""Temporary files of content that arrives. A content is kept only when it is whole.

Each server has its own folder for them, also if the contents are kept in a bucket: a slow charge point then
holds no upload there, and a broken one leaves nothing there.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from uuid import uuid4

from app.errors import AppError, Unavailable
from app.files.errors import StorageFull, TransferTooLarge
from app.files.pace import TransferPace
from app.files.records import SpooledContent
from app.files.storage import FileThreads, make_private_folder, sync_folder
from app.logs import get_logger

_WRITE_BYTES: Final = 131_072
"""Bytes that are gathered for one write in a thread."""
_LEFTOVER_AFTER_S: Final = 3600.0
"""Seconds without a write after which a temporary file counts as left behind by a server that has ended."""

_LOG = get_logger(__name__)


class Spool:
    """The temporary files of one server."""

    def __init__(self, folder: Path, threads: FileThreads, pace: TransferPace) -> None:
        """folder: made when it is first needed."""
        self._folder = folder
        self._threads = threads
        self._pace = pace

    def path(self, spooled: SpooledContent) -> Path:
        """Return where a content is."""
        return self._folder / spooled.name

    async def receive(self, content: AsyncIterator[bytes], limit_bytes: int) -> SpooledContent:
        """Write a content to a new temporary file, which is deleted if the content does not come whole.

        Raises:
            TransferTooLarge: it is longer than `limit_bytes`.
            StorageFull: the disk is full.
            Unavailable: the file cannot be written.
            Everything that `content` raises.
        """
        name = uuid4().hex
        try:
            descriptor = await self._threads.run(_create, self._folder, name)
        except OSError as error:
            raise _failed(error) from error
        try:
            digest, size = await self._write(descriptor, content, limit_bytes)
            await self._threads.run(_flush, descriptor, self._folder)
        except OSError as error:
            await self.discard(name)
            raise _failed(error) from error
        except BaseException:
            await self.discard(name)
            raise
        finally:
            os.close(descriptor)
        return SpooledContent(name, size, digest)

    async def _write(
        self, descriptor: int, content: AsyncIterator[bytes], limit_bytes: int
    ) -> tuple[str, int]:
        digest, gathered, size = hashlib.sha256(), bytearray(), 0
        async for chunk in content:
            size += len(chunk)
            if size > limit_bytes:
                raise TransferTooLarge(limit_bytes)
            gathered += chunk
            if len(gathered) >= _WRITE_BYTES:
                full, gathered = gathered, bytearray()
                await self._threads.run(_append, descriptor, full, digest)
            await self._pace.turn(len(chunk))
        await self._threads.run(_append, descriptor, gathered, digest)
        return digest.hexdigest(), size

    async def discard(self, name: str) -> None:
        """Delete a temporary file. name: of a spooled content."""
        with contextlib.suppress(OSError):
            await self._threads.run(os.unlink, self._folder / name)

    async def sweep(self) -> int:
        """Delete temporary files of servers that have ended; return how many there were."""
        return await self._threads.run(_delete_old, self._folder, time.time() - _LEFTOVER_AFTER_S)


def _create(folder: Path, name: str) -> int:
    make_private_folder(folder)
    return os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _append(descriptor: int, content: bytearray, digest: "hashlib._Hash") -> None:
    digest.update(content)
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _flush(descriptor: int, folder: Path) -> None:
    os.fsync(descriptor)
    sync_folder(folder)


def _delete_old(folder: Path, before: float) -> int:
    count = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < before:
                    os.unlink(entry.path)
                    count += 1
    return count


def _failed(error: OSError) -> AppError:
    _LOG.warning("file_not_written", error=str(error))
    if error.errno in _NO_ROOM:
        return StorageFull("The disk of the server is full.")
    return Unavailable("The storage of files does not answer.", "file_storage_unavailable")


_NO_ROOM: Final = frozenset({28, 122})
"""ENOSPC and EDQUOT."""
