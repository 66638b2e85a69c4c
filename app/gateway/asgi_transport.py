"""The transport of a session over the `send` of an ASGI server."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from app import metrics
from app.gateway.transport import OUTBOUND_LIMIT_BYTES, SEND_DEADLINE_S, Frame

AsgiSend = Callable[[dict[str, Any]], Awaitable[None]]


class AsgiTransport:
    """Writes through the `send` of an ASGI server.

    Nearly every `send` completes at once, so it is stepped by hand, without a task. If one has to wait
    because the peer does not read, a task finishes it. Messages are kept meanwhile, up to a limit and a
    deadline.
    """

    __slots__ = (
        "_abort",
        "_backlog",
        "_backlog_bytes",
        "_closing",
        "_deadline",
        "_opened",
        "_readable",
        "_send",
        "_writer",
    )

    def __init__(self, send: AsgiSend, abort: Callable[[], None]) -> None:
        """Make a transport. abort: ends the connection without waiting for the peer."""
        self._send = send
        self._abort = abort
        self._backlog: deque[dict[str, Any]] = deque()
        self._backlog_bytes = 0
        self._closing = False
        self._opened = False
        self._readable: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Write what was kept during the handshake, which is done now."""
        self._opened = True
        self._backlog_bytes = 0
        waiting, self._backlog = self._backlog, deque()
        for message in waiting:
            self._write(message, len(message.get("text", "")))

    def write(self, frame: Frame) -> None:
        """Write one text message, or keep it until the peer reads."""
        if not self._closing:
            self._write({"type": "websocket.send", "text": frame}, len(frame))

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake. reason: at most 123 bytes of ASCII (RFC 6455 5.5)."""
        if not self._closing:
            self._closing = True
            self._write({"type": "websocket.close", "code": code, "reason": reason}, 0)
            self.resume_reading()

    def ask(self, answered: Callable[[], None]) -> None:
        """Do nothing: ASGI has no pings. So a newcomer takes over."""

    def allow_silence(self, seconds: float) -> None:
        """Do nothing: the ASGI server sends the pings."""

    def pause_reading(self) -> None:
        """Make `readable` wait until `resume_reading`."""
        if self._readable is None and not self._closing:
            self._readable = asyncio.get_running_loop().create_future()

    def resume_reading(self) -> None:
        """Continue to read messages."""
        if self._readable is not None:
            if not self._readable.done():
                self._readable.set_result(None)
            self._readable = None

    @property
    def readable(self) -> Awaitable[None] | None:
        """A future to await before the next message is read, None if there is nothing to wait for."""
        return self._readable

    def closed(self) -> None:
        """Drop the messages that wait, because the connection has ended."""
        self._closing = True
        self.resume_reading()
        self._backlog.clear()
        if self._deadline is not None:
            self._deadline.cancel()
        if self._writer is not None:
            self._writer.cancel()

    def _write(self, message: dict[str, Any], size_bytes: int) -> None:
        if self._writer is not None or not self._opened:
            self._enqueue(message, size_bytes)
            return
        step = _sending(self._send(message))
        try:
            blocker = step.send(None)
        except StopIteration:
            return
        except Exception:
            # The server raises any exception if the peer is gone. Its disconnect message follows.
            self._closing = True
            return
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(SEND_DEADLINE_S, self._give_up, "send_deadline")
        self._writer = loop.create_task(self._drain(_Started(step, blocker)))

    def _enqueue(self, message: dict[str, Any], size_bytes: int) -> None:
        self._backlog_bytes += size_bytes
        if self._backlog_bytes > OUTBOUND_LIMIT_BYTES:
            self._give_up("outbound_buffer")
        else:
            self._backlog.append(message)

    async def _drain(self, started: "_Started") -> None:
        try:
            await started
            while self._backlog:
                await self._send(self._backlog.popleft())
        except Exception:
            self._closing = True
            self._backlog.clear()
        finally:
            self._backlog_bytes = 0
            self._writer = None
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    def _give_up(self, limit: str) -> None:
        metrics.LIMITS_HIT.labels(limit).inc()
        self._closing = True
        self._backlog.clear()
        self._abort()
        self.resume_reading()


async def _sending(sending: Awaitable[None]) -> None:
    """Make a coroutine of an awaitable: what Granian returns can only be awaited, not stepped."""
    await sending


class _Started:
    """A coroutine that was stepped once by hand and continues inside a task."""

    __slots__ = ("_blocker", "_step")

    def __init__(self, step: Coroutine[Any, None, None], blocker: Any) -> None:
        self._step = step
        self._blocker = blocker

    def __await__(self) -> Generator[Any, None, None]:
        blocker = self._blocker
        advance: Callable[[Any], Any]
        argument: Any
        while True:
            try:
                argument = yield blocker
            except BaseException as error:
                advance, argument = self._step.throw, error
            else:
                advance = self._step.send
            try:
                blocker = advance(argument)
            except StopIteration:
                return
