"""A server of a tenant, as outgoing requests meet it: it answers rightly, wrongly, slowly or never."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

RIGHT = {"status": "Accepted"}


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def question(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class TenantServer:
    """A server whose `mode` a test sets. received: all its requests.

    Modes: right, hang, slow (the answer comes byte by byte, and never ends), 500, redirect, huge, not json,
    text, closes midway, no http, compressed, empty, wait (until `release` is set), continue (interim answers
    without end).
    """

    mode: str = "right"
    answer: Any = field(default_factory=lambda: dict(RIGHT))
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """The URL of the server without TLS."""
        return f"http://127.0.0.1:{self.port}/authorize?token=hidden"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.received.append(Received(head[0], headers, body))
                self.arrived.set()
                if not await self._answer(writer):
                    break
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> bool:
        mode = self.mode
        content = json.dumps(self.answer).encode()
        if mode == "wait":
            await self.release.wait()
        while mode == "continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            await writer.drain()
        if mode in ("hang", "slow"):
            if mode == "slow":
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
                )
            while True:
                await asyncio.sleep(0.02)
                if mode == "slow":
                    writer.write(b" ")
        if mode == "closes midway":
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"status"')
            return False
        if mode == "no http":
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
            return False
        head = {
            "500": b"HTTP/1.1 500 Internal Server Error\r\n",
            "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n",
        }.get(mode, b"HTTP/1.1 200 OK\r\n")
        kind = b"text/plain" if mode == "text" else b"application/json; charset=utf-8"
        if mode == "huge":
            content = b"[" + b"0," * 100_000 + b"0]"
        if mode == "not json":
            content = b'{"status": "Accepted"'
        if mode == "empty":
            content = b""
        if mode == "compressed":
            head += b"Content-Encoding: gzip\r\n"
        head += b"Set-Cookie: followed=1\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (
            kind,
            len(content),
        )
        writer.write(head + content)
        await writer.drain()
        return True


@contextlib.asynccontextmanager
async def tenant_server(context: ssl.SSLContext | None = None) -> AsyncIterator[TenantServer]:
    """Run a server of a tenant on a free port of 127.0.0.1. context: of TLS."""
    server = TenantServer()
    serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving[asyncio.ensure_future(server.serve(reader, writer))] = writer

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task, writer in serving.items():
            task.cancel()
            writer.transport.abort()
        if serving:
            await asyncio.wait(serving)
        await asyncio.sleep(0)
