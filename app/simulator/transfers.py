"""Carries out the downloads and uploads of virtual charge points over HTTP and HTTPS.

It loads httpx, so the client imports it at the first transfer. URLs may hold passwords or tokens, so nothing
here writes one.
"""

import hashlib
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import httpx

from app.simulator.work import Download, DownloadedFile, TransferFailure, Upload, Work

_TIMEOUT_S: Final = 30.0
_PARTS: Final = 5
"""How often a download that was cut off goes on, before it counts as failed."""
_LARGEST_BYTES: Final = 1 << 30
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")
_NAME: Final = re.compile(r'filename="?([^";]+)')


@dataclass(slots=True)
class _Received:
    """The part of a file that was received."""

    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    size: int = 0
    etag: str | None = None
    version: str | None = None


async def carry_out(work: Work, verify: ssl.SSLContext | bool) -> DownloadedFile | TransferFailure | None:
    """Carry out a transfer, and return its result as `work.done` takes it. verify: trust for HTTPS."""
    location = work.location
    if urlsplit(location).scheme.lower() not in ("http", "https"):
        return TransferFailure("unsupported")
    try:
        async with httpx.AsyncClient(
            timeout=_TIMEOUT_S, follow_redirects=True, verify=verify, trust_env=False
        ) as client:
            if isinstance(work, Download):
                return await _download(client, work)
            return await _upload(client, work)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError):
        return TransferFailure("broken")


async def _download(client: httpx.AsyncClient, work: Download) -> DownloadedFile | TransferFailure:
    received = _Received()
    for part in range(_PARTS):
        try:
            failure = await _receive(client, work.location, received)
        except httpx.HTTPError:
            if part == _PARTS - 1:
                return TransferFailure("broken")
            continue
        if failure is not None:
            return failure
        digest = received.digest.digest()
        version = received.version or _version_of(work.location) or digest.hex()[:12]
        return DownloadedFile(digest, received.size, version)
    return TransferFailure("broken")


async def _receive(client: httpx.AsyncClient, location: str, received: _Received) -> TransferFailure | None:
    """Receive what is left of a file (RFC 9110, 14.2). If it has changed, it begins again."""
    headers = {"Accept-Encoding": "identity"}
    if received.size:
        headers["Range"] = f"bytes={received.size}-"
        if received.etag is not None:
            headers["If-Range"] = received.etag
    async with client.stream("GET", location, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and received.size:
            # It was cut off after the last byte.
            return None
        if (failure := _failure_of(response)) is not None:
            return failure
        begin = f"bytes {received.size}-"
        goes_on = response.headers.get("content-range", "").startswith(begin)
        if received.size and not (response.status_code == httpx.codes.PARTIAL_CONTENT and goes_on):
            received.digest, received.size = hashlib.sha256(), 0
        _note_headers(response, received)
        async for chunk in response.aiter_bytes():
            received.digest.update(chunk)
            received.size += len(chunk)
            if received.size > _LARGEST_BYTES:
                return TransferFailure("refused")
    return None


def _note_headers(response: httpx.Response, received: _Received) -> None:
    etag = response.headers.get("etag", "")
    # A weak tag does not promise the same bytes (RFC 9110, 13.1.5).
    received.etag = etag if etag and not etag.startswith("W/") else None
    named = _NAME.search(response.headers.get("content-disposition", ""))
    stated = response.headers.get("x-firmware-version")
    received.version = stated[:50] if stated else _version_of(named[1]) if named else None


def _version_of(location: str) -> str | None:
    """Return the version in the name of a file, such as 3.2.0 in vw22-3.2.0.bin."""
    name = unquote(urlsplit(location).path).rpartition("/")[2]
    found = _VERSION.findall(name)
    return found[-1][:50] if found else None


async def _upload(client: httpx.AsyncClient, work: Upload) -> TransferFailure | None:
    if work.as_form:
        response = await client.post(work.location, files={"file": (work.name, work.content, "text/plain")})
    else:
        response = await client.put(_named(work.location, work.name), content=_pieces(work.content))
    return _failure_of(response)


def _named(location: str, name: str) -> str:
    """Return the URL of a file in a directory. A URL with a query, such as a signed one, is kept as it is."""
    if urlsplit(location).query:
        return location
    return f"{location.rstrip('/')}/{quote(name)}"


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 16_384):
        yield content[start : start + 16_384]


def _failure_of(response: httpx.Response) -> TransferFailure | None:
    if response.is_success:
        return None
    return TransferFailure("denied" if response.status_code in (401, 403) else "refused")
