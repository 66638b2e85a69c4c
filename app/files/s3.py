"""Keeps contents in a bucket that speaks the protocol of S3.

The library is obstore, which binds the object_store crate of Apache Arrow: typed, without further packages,
and its transfers run on threads of its own instead of the event loop.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.exceptions import NotFoundError as NoSuchObject
from obstore.store import S3Store

from app.errors import Unavailable
from app.files.records import ContentKey
from app.files.storage import ContentReader
from app.logs import get_logger
from app.settings import Settings

_PART_BYTES: Final = 5 * 1024 * 1024
"""The least size of a part of a multipart upload, except of the last one."""
_PARTS_AT_ONCE: Final = 2
_UPLOADS_AT_ONCE: Final = 3
"""Bounds the memory: so many times `_PARTS_AT_ONCE` parts."""
_DELETED_AT_ONCE: Final = 500
_READ_BYTES: Final = 131_072
"""Bytes of one ranged read. A stream would stay open as long as a slow charge point reads."""
_TIMEOUT: Final = timedelta(seconds=60)
_CONNECT_TIMEOUT: Final = timedelta(seconds=10)

_LOG = get_logger(__name__)


class _S3Reader:
    """Reads an object by ranges."""

    def __init__(self, store: S3Store, path: str) -> None:
        self._store = store
        self._path = path

    async def read(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes from `start`."""
        with _translated():
            return bytes(await obstore.get_range_async(self._store, self._path, start=start, length=size))

    def close(self) -> None:
        """Do nothing: nothing is open between two reads."""


class S3Storage:
    """Keeps contents as objects of one bucket, which all servers share."""

    chunk_bytes = _READ_BYTES

    def __init__(self, settings: Settings) -> None:
        """settings: `file_s3_bucket` must be set."""
        self._store = open_bucket(settings)
        self._uploads = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def keep(self, key: ContentKey, path: Path, size_bytes: int) -> None:
        """Keep the content of a file. A large one is sent in parts, and is there when all have arrived."""
        async with self._uploads:
            with _translated():
                try:
                    known = await obstore.head_async(self._store, _name(key))
                except (NoSuchObject, FileNotFoundError):
                    known = None
                if known is not None and known["size"] == size_bytes:
                    return
                await put_file(self._store, _name(key), path)

    async def open(self, key: ContentKey) -> ContentReader | None:
        """Open a content; None: it is missing."""
        try:
            with _translated():
                await obstore.head_async(self._store, _name(key))
        except (NoSuchObject, FileNotFoundError):
            return None
        return _S3Reader(self._store, _name(key))

    async def delete(self, key: ContentKey) -> None:
        """Delete a content, if it is there."""
        with contextlib.suppress(NoSuchObject, FileNotFoundError), _translated():
            await obstore.delete_async(self._store, _name(key))

    async def delete_tenant(self, tenant_id: int) -> None:
        """Delete all contents of a tenant."""
        with _translated():
            async for objects in obstore.list(
                self._store, prefix=str(tenant_id), chunk_size=_DELETED_AT_ONCE
            ):
                await obstore.delete_async(self._store, [found["path"] for found in objects])


def open_bucket(settings: Settings) -> S3Store:
    """Return the bucket of the settings. Nothing is sent before it is used."""
    endpoint = settings.file_s3_endpoint
    is_plain = endpoint is not None and endpoint.startswith("http://")
    return S3Store(
        settings.file_s3_bucket,
        prefix=settings.file_s3_prefix or None,
        region=settings.file_s3_region,
        endpoint=endpoint,
        access_key_id=settings.file_s3_access_key_id,
        secret_access_key=settings.file_s3_secret_access_key,
        client_options={"allow_http": is_plain, "timeout": _TIMEOUT, "connect_timeout": _CONNECT_TIMEOUT},
        retry_config={"max_retries": 3, "retry_timeout": _TIMEOUT},
    )


async def put_file(store: S3Store, name: str, path: Path) -> None:
    """Make or replace an object. A large one is sent in parts, and is there when all have arrived."""
    await obstore.put_async(store, name, path, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise Unavailable in place of the errors of the library, except that an object is missing."""
    try:
        yield
    except (NoSuchObject, FileNotFoundError):
        raise
    except (BaseError, OSError) as error:
        # The text may name the host and the bucket, but never a key.
        _LOG.warning("file_storage_failed", error=str(error)[:300])
        raise Unavailable("The storage of files does not answer.", "file_storage_unavailable") from None


def _name(key: ContentKey) -> str:
    return f"{key.tenant_id}/{key.sha256[:2]}/{key.sha256}"
