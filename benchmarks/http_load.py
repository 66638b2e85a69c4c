"""HTTP clients that cost little: a closed loop with an answer of known length, and a simple client."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

from benchmarks.accounting import cpu_use


class HttpLoadError(Exception):
    """The server did not answer as expected. The text says what it did."""


class HttpSocket(asyncio.Protocol):
    """One connection. `fetch` stores the length of the answer, and `start` relies on it."""

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
    async def open(cls, port: int, path: str, token: str | None = None) -> "HttpSocket":
        """Connect to this machine. token: an API key."""
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: application/json"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        request = "\r\n".join([*lines, "", ""]).encode()
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(lambda: cls(request), "127.0.0.1", port)
        return protocol

    async def fetch(self) -> bytes:
        """Return the body of the first answer.

        Raises:
            HttpLoadError: its status is not 200.
        """
        self._write()
        return await self._first

    def start(self, on_answer: Callable[[], bool]) -> None:
        """Send requests one after the other. on_answer: is called after each answer; False ends the loop."""
        self._on_answer = on_answer
        self._missing = self._length
        self._write()

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Not `isinstance`, because the transports of uvloop are not subclasses.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Count bytes, and read only the first answer."""
        if self._on_answer is None:
            self._received += data
            self._read_first()
            return
        self._missing -= len(data)
        if self._missing > 0:
            return
        if self._missing < 0:
            self.failure = HttpLoadError("an answer is longer than the first one")
            self._on_answer = None
        elif self._on_answer():
            self._missing = self._length
            self._write()
        else:
            self._on_answer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits."""
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


@dataclass(frozen=True, slots=True)
class HttpLoop:
    """A closed loop of one request. token: an API key; body: the expected answer, None: any."""

    port: int
    path: str
    connections: int
    token: str | None = None
    body: bytes | None = None

    async def run(
        self, seconds: float, groups: Sequence[Callable[[], Iterable[int]]]
    ) -> tuple[float, list[float]]:
        """Return requests per second, and CPU microseconds per request for each group of processes.

        Raises:
            HttpLoadError: the status is not 200, or an answer differs from the first one.
        """
        sockets = [await HttpSocket.open(self.port, self.path, self.token) for _ in range(self.connections)]
        count = 0
        running = True

        def answered() -> bool:
            nonlocal count
            count += 1
            return running

        for socket in sockets:
            body = await socket.fetch()
            if self.body is not None and body != self.body:
                raise HttpLoadError(f"{self.path} has other bytes over HTTP")
            socket.start(answered)
        await asyncio.sleep(seconds / 10)
        started, first, before = time.perf_counter(), count, [cpu_use(group()) for group in groups]
        await asyncio.sleep(seconds)
        requests, passed_s = max(1, count - first), time.perf_counter() - started
        after = [cpu_use(group()) for group in groups]
        running = False
        for socket in sockets:
            if socket.failure is not None:
                raise socket.failure
            socket.close()
        used = [late.since(early).exact_s for early, late in zip(before, after, strict=True)]
        return requests / passed_s, [used_s / requests * 1e6 for used_s in used]


class HttpClient:
    """One keep-alive connection with an API key. `connected` makes it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, token: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._fields = f"Host: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json"

    @classmethod
    @asynccontextmanager
    async def connected(cls, host: str, port: int, token: str) -> AsyncIterator[Self]:
        """Open a connection with an API key, and close it at the end."""
        reader, writer = await asyncio.open_connection(host, port)
        try:
            yield cls(reader, writer, f"{host}:{port}", token)
        finally:
            writer.close()

    async def post(self, path: str, body: bytes) -> dict[str, Any]:
        """Return the JSON of the answer.

        Raises:
            HttpLoadError: its status is not a success.
        """
        head = f"POST {path} HTTP/1.1\r\n{self._fields}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        head_lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        [length] = [int(line.partition(":")[2]) for line in head_lines if line.startswith("content-length:")]
        answer = await self._reader.readexactly(length)
        if not head_lines[0].startswith("http/1.1 20"):
            raise HttpLoadError(f"{head_lines[0]}: {answer!r}")
        found: dict[str, Any] = json.loads(answer)
        return found
