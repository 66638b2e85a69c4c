"""Network connections that read a bounded number of bytes for each request, a few at a time.

The limit of an answer's body does not bound what comes before it: HTTP allows any number of interim answers
(`100 Continue`), and to parse them takes the event loop of the worker.
"""

import ssl
from collections.abc import Iterable
from typing import Any, Final

import httpcore

from app.outgoing.records import OutgoingFailed, OutgoingFailure

# Time-outs are parameters because httpcore calls these methods.
# ruff: noqa: ASYNC109

READ_LIMIT_BYTES: Final = 65_536
"""Bytes that are read after each request: interim answers, head and body. More than any limit of a body."""

_PORTION_BYTES: Final = 4096
"""Bytes that are parsed before other work may run."""


class BoundedBackend(httpcore.AsyncNetworkBackend):
    """Opens bounded connections."""

    def __init__(self) -> None:
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to an address."""
        stream = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return _BoundedStream(stream)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._backend.sleep(seconds)


class _BoundedStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = READ_LIMIT_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._left <= 0:
            raise OutgoingFailed(
                OutgoingFailure.BODY_TOO_LARGE, f"The answer has more than {READ_LIMIT_BYTES} bytes."
            )
        found = await self._stream.read(min(max_bytes, _PORTION_BYTES), timeout)
        self._left -= len(found)
        return found

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._left = READ_LIMIT_BYTES
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
