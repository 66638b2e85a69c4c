"""A server that takes webhooks, and answers each message as a test decides."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """A message as it arrived. status: how it was answered; 0: not at all."""

    headers: Mapping[str, str]
    body: bytes
    status: int

    @property
    def event(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def id(self) -> str:
        """The id of the message."""
        return self.headers["webhook-id"]


async def _take(_: Any) -> int:
    return 200


@dataclass
class Receiver:
    """A server for webhooks. decide: returns the status of the answer to an event; 0 cuts the connection."""

    decide: Callable[[Any], Awaitable[int]] = _take
    messages: list[Message] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    port: int = 0
    answer: bytes = b"seen"
    headers: Mapping[str, str] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.port}/events?token=hidden"

    def taken(self) -> list[Message]:
        """Return the messages that were answered with 200."""
        return [one for one in self.messages if one.status == 200]

    def story(self) -> list[str]:
        """Return the charge points of the events that were taken, in their order."""
        return [one.event["charge_point"] for one in self.taken()]

    async def until(self, holds: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait for messages until a condition holds."""
        async with asyncio.timeout(seconds):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
                status = await self.decide(json.loads(body))
                self.under_way -= 1
                self.messages.append(Message(headers, body, status))
                self._changed.set()
                if not status:
                    break
                more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items()).encode()
                writer.write(
                    b"HTTP/1.1 %d Answer\r\n%bContent-Length: %d\r\n\r\n%b"
                    % (status, more, len(self.answer), self.answer)
                )
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver on a free port of 127.0.0.1."""
    receiver = Receiver()
    serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving[asyncio.ensure_future(receiver.serve(reader, writer))] = writer

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    receiver.port = listening.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        listening.close()
        for task, writer in serving.items():
            task.cancel()
            writer.transport.abort()
        if serving:
            await asyncio.wait(serving)
