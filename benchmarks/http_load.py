"""Cheap keep-alive HTTP clients in a closed loop: a fixed request, an answer of known length."""

import asyncio
from collections.abc import Callable
from typing import cast


class HttpLoadError(Exception):
    """The server did something else than to send the document; the text says what."""


class HttpSocket(asyncio.Protocol):
    """One connection. `fetch` learns the length of the whole answer; `start` counts on it."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._missing = 0
        self._length = 0
        self._first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._on_answer: Callable[[], bool] | None = None
        self.failure: HttpLoadError | None = None

    @classmethod
    async def open(cls, port: int, path: str) -> "HttpSocket":
        """Connect to this machine."""
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n".encode()
        )
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(lambda: cls(request), "127.0.0.1", port)
        return protocol

    async def fetch(self) -> bytes:
        """Return the body of the first answer.

        Raises:
            HttpLoadError: it is not a 200.
        """
        self._write()
        return await self._first

    def start(self, on_answer: Callable[[], bool]) -> None:
        """Ask again and again; on_answer says after each answer whether to go on."""
        self._on_answer = on_answer
        self._missing = self._length
        self._write()

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Not `isinstance`: the transports of uvloop are no subclasses.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Count bytes; read them only the first time."""
        if self._on_answer is None:
            self._received += data
            self._read_first()
            return
        self._missing -= len(data)
        if self._missing > 0:
            return
        if self._missing < 0:
            self.failure = HttpLoadError("an answer is longer than the first one was")
            self._on_answer = None
        elif self._on_answer():
            self._missing = self._length
            self._write()
        else:
            self._on_answer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns it."""
        self.failure = HttpLoadError(f"the server closed the connection: {exc}")
        if not self._first.done():
            self._first.set_exception(self.failure)

    def _write(self) -> None:
        assert self._transport is not None
        self._transport.write(self._request)

    def _read_first(self) -> None:
        head, separator, body = bytes(self._received).partition(b"\r\n\r\n")
        if not separator or self._first.done():
            return
        lines = head.decode("latin-1").lower().split("\r\n")
        lengths = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
        if not lines[0].startswith("http/1.1 200") or len(lengths) != 1:
            self._first.set_exception(HttpLoadError(head.decode("latin-1")))
        elif len(body) == int(lengths[0]):
            self._length = len(self._received)
            self._first.set_result(body)
