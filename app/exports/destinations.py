"""The places that keep exported files: a folder, or the bucket of the settings."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

import obstore
from obstore.exceptions import BaseError
from obstore.exceptions import NotFoundError as NoSuchObject
from obstore.store import S3Store

from app.exports.errors import ExportError
from app.files.s3 import open_bucket, put_file
from app.files.storage import make_private_folder, sync_folder
from app.settings import Settings, variable_of

_IN_BUCKET: Final = "exports/"
_PART_BYTES: Final = 5 * 1024 * 1024


class ExportDestination(Protocol):
    """Keeps exported files. A file appears there whole, or not at all."""

    name: str
    """How it is noted and shown."""

    async def put(self, path: str, source: Path) -> None:
        """Keep a finished file, in the place of an older one of this path.

        Raises:
            ExportError: the destination is full or does not answer.
        """

    async def fetch(self, path: str, target: Path) -> bool:
        """Copy a file back, and return False if it is missing.

        Raises:
            ExportError: the destination does not answer.
        """


def destination_of(folder: Path | None, settings: Settings) -> ExportDestination:
    """Return the folder that was named, else the bucket of the settings.

    Raises:
        ExportError: there is neither.
    """
    if folder is not None:
        return FolderDestination(folder.absolute())
    if settings.file_s3_bucket is None:
        raise ExportError(f"name a folder by --to, or a bucket by {variable_of('file_s3_bucket')}")
    return BucketDestination(settings)


class FolderDestination:
    """Keeps files in a folder, which is made with mode 0700."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = str(folder)

    async def put(self, path: str, source: Path) -> None:
        """Keep a finished file."""
        with self._translated():
            await asyncio.to_thread(_keep, source, self._folder / path)

    async def fetch(self, path: str, target: Path) -> bool:
        """Copy a file back, and return False if it is missing."""
        with self._translated():
            try:
                await asyncio.to_thread(shutil.copyfile, self._folder / path, target)
            except FileNotFoundError:
                return False
        return True

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ExportError(f"--to: {error.filename or self.name}: {error.strerror}") from None


class BucketDestination:
    """Keeps files below `exports/` in the bucket of the settings."""

    def __init__(self, settings: Settings) -> None:
        """settings: `file_s3_bucket` must be set."""
        self._store: S3Store = open_bucket(settings)
        prefix = f"{settings.file_s3_prefix}/" if settings.file_s3_prefix else ""
        self.name = f"s3://{settings.file_s3_bucket}/{prefix}{_IN_BUCKET}"

    async def put(self, path: str, source: Path) -> None:
        """Keep a finished file."""
        with self._translated():
            await put_file(self._store, _IN_BUCKET + path, source)

    async def fetch(self, path: str, target: Path) -> bool:
        """Copy a file back, and return False if it is missing."""
        with self._translated():
            try:
                found = await obstore.get_async(self._store, _IN_BUCKET + path)
            except (NoSuchObject, FileNotFoundError):
                return False
            with target.open("wb") as file:
                async for part in found.stream(_PART_BYTES):
                    file.write(part)
        return True

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            # The text may name the host and the bucket, but never a key.
            words = " ".join(str(error).split())[:300]
            raise ExportError(f"{variable_of('file_s3_bucket')}: the bucket refuses: {words}") from None


def _keep(source: Path, target: Path) -> None:
    """Copy a file next to its place, flush it, and give it its name."""
    make_private_folder(target.parent)
    partial = target.with_name(f"{target.name}.partial")
    shutil.copyfile(source, partial)
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    partial.replace(target)
    sync_folder(target.parent)
