"""The socket of one charge point after its handshake, and the transport of its session.

Each read goes to the session's conversation in one call, and what that returns is done at once. A connection
has no queue, no task and no timer of its own. `handshake_protocol` starts it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from app import close_codes, metrics
from app.gateway.transport import (
    OUTBOUND_LIMIT_BYTES,
    SEND_DEADLINE_S,
    ByteTransport,
    Frame,
    Reader,
    Receiver,
)
from app.ocpp import Control, close_frame, ping_frame

_CLOSING_S: Final = 10.0
"""Seconds that a peer may take to answer our close."""


class WebSocketConnection(asyncio.Protocol):
    """One WebSocket connection. Before `start` it keeps what is written."""

    __slots__ = (
        "_answers_pings",
        "_asked",
        "_closing",
        "_ended",
        "_held",
        "_is_paused",
        "_is_pinged",
        "_loop",
        "_on_lost",
        "_reader",
        "_reading",
        "_receiver",
        "_silent_s",
        "_stall",
        "_transport",
        "_waiting",
        "silence_s",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: ByteTransport | None = None
        self._receiver: Receiver | None = None
        self._reader: Reader | None = None
        self._ended: Callable[[int], None] | None = None
        self._on_lost: Callable[[WebSocketConnection], None] | None = None
        self._held: list[Frame | tuple[int, str]] | None = []
        self._waiting: deque[Any] | None = None
        self._reading = True
        self._is_paused = False
        self._closing: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._is_pinged = False
        self._answers_pings = False
        self._asked: list[Callable[[], None]] | None = None
        self._silent_s = 0.0
        self.silence_s = 0.0
        """How long the peer may be silent if it has never answered a ping, in seconds."""

    @property
    def is_open(self) -> bool:
        """Whether messages still go in both directions."""
        return self._ended is not None

    def start(
        self,
        transport: ByteTransport,
        receiver: Receiver,
        ended: Callable[[int], None],
        on_lost: "Callable[[WebSocketConnection], None]",
    ) -> None:
        """Begin after the handshake, and write what was kept.

        Args:
            transport: the socket.
            receiver: handles what its reader finds in the bytes of the socket.
            ended: called once with the close code, when no further message will come.
            on_lost: called when the socket is gone.
        """
        self._transport = transport
        self._receiver, self._reader = receiver, receiver.reader
        self._ended = ended
        self._on_lost = on_lost
        held, self._held = self._held, None
        for item in held or ():
            if isinstance(item, tuple):
                self.close(*item)
            else:
                self.write(item)

    # Transport of a session

    def write(self, frame: Frame) -> None:
        """Write one message with its head. If too many bytes wait for the peer, end the connection."""
        if self._held is not None:
            self._held.append(frame)
        elif self._ended is not None and self._transport is not None:
            self._transport.write(cast(bytes, frame))
            if self._stall is not None and self._is_overfull():
                self._cut_off("outbound_buffer")

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake. If the peer does not answer in time, end the connection."""
        if self._held is not None:
            self._held.append((code, reason))
        elif self._ended is not None and self._transport is not None:
            self._transport.write(close_frame(code, reason))
            self._closing = self._loop.call_later(_CLOSING_S, self._transport.abort)
            self._end(code)
            self.resume_reading()

    def pause_reading(self) -> None:
        """Stop reading messages until `resume_reading`, so that TCP slows the peer down."""
        if self._reading and self._ended is not None and self._transport is not None:
            self._reading = False
            self._is_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Continue to read messages, first those that have arrived already.

        The socket stays paused until these are handled. Otherwise a connection that is paused again and again
        would collect one more read each time.
        """
        if not self._reading and self._transport is not None:
            self._reading = True
            if self._waiting:
                self._loop.call_soon(self._deliver)
            else:
                self._resume_transport()

    def allow_silence(self, seconds: float) -> None:
        """Set how long the peer may be silent if it has never answered a ping."""
        self.silence_s = seconds

    def ask(self, answered: Callable[[], None]) -> None:
        """Ping, and call `answered` at the next pong: another one wants the place of this peer."""
        if self._ended is not None and self._transport is not None:
            self._asked = [*(self._asked or ()), answered]
            self._transport.write(ping_frame(b""))

    # The socket

    def data_received(self, data: bytes) -> None:
        """Read bytes from a transport of asyncio. A `Socket` of the core calls `found` instead."""
        if self._reader is not None and (found := self._reader.feed(data)) is not None:
            self.found(found)

    def found(self, found: list[Any]) -> None:
        """Handle what the reader has found."""
        if self._waiting is None:
            self._waiting = deque(found)
        else:
            self._waiting += found
        self._deliver()

    def pause_writing(self) -> None:
        """Set a deadline, because the peer does not read."""
        if self._stall is None:
            self._stall = self._loop.call_later(SEND_DEADLINE_S, self._cut_off, "send_deadline")

    def resume_writing(self) -> None:
        """Cancel the deadline, because the peer reads again."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection, because the socket is gone."""
        self.resume_writing()
        if self._closing is not None:
            self._closing.cancel()
        self._end(close_codes.ABNORMAL)
        self._transport = self._receiver = self._reader = self._waiting = None
        if self._on_lost is not None:
            self._on_lost(self)
            self._on_lost = None

    def shutdown(self) -> None:
        """Close, because the server stops. uvicorn calls this."""
        self.close(close_codes.GOING_AWAY, "the server is going away")
        if self._transport is not None:
            self._transport.close()

    # Keepalive

    def keep_alive(self, interval_s: float, timeout_s: float) -> float | None:
        """Ping, or check the answer to the last ping. Return the seconds until the next call.

        A peer that has sent anything since the ping is alive (OCPP 1.6 4.6). While reading is paused, the
        peer counts as alive, because its pong may wait in the socket. A peer that has never answered a ping
        may be silent for `silence_s`: some charge points send nothing but Heartbeats. TCP ends the connection
        before if the pings do not arrive. None: no further call.
        """
        if self._ended is None or self._transport is None or self._reader is None:
            return None
        if not self._is_pinged:
            if self._reader.has_spoken:
                self._silent_s = 0.0
            self._is_pinged, self._reader.has_spoken = True, False
            self._transport.write(ping_frame(b""))
            return timeout_s
        is_alive = self._reader.has_spoken or self._is_paused
        self._silent_s = 0.0 if is_alive else self._silent_s + max(interval_s, timeout_s)
        if is_alive or (not self._answers_pings and self._silent_s < self.silence_s):
            self._is_pinged = False
            return max(0.0, interval_s - timeout_s)
        metrics.LIMITS_HIT.labels("ping_timeout").inc()
        transport = self._transport
        self.close(close_codes.INTERNAL_ERROR, "keepalive ping timeout")
        transport.close()
        return None

    # Inside

    def _deliver(self) -> None:
        """Handle what has arrived, until reading is paused."""
        waiting = self._waiting
        while waiting and self._reading and self._receiver is not None:
            found = waiting.popleft()
            if type(found) is Control:
                self._control(found)
            else:
                self._receiver.handle(found)
        if not waiting:
            self._waiting = None
            if self._reading:
                self._resume_transport()

    def _resume_transport(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def _control(self, event: Control) -> None:
        transport = self._transport
        if transport is None:
            return
        if event.kind == "pong":
            self._answers_pings = True
            asked, self._asked = self._asked, None
            for answered in asked or ():
                answered()
            return
        if event.kind == "ping":
            if self._is_overfull():
                # This peer sends pings and does not read the pongs.
                self._cut_off("outbound_buffer")
            elif self._ended is not None:
                transport.write(event.answer)
            return
        if self._ended is not None:
            transport.write(event.answer)
            if event.kind == "fail" and event.code == close_codes.MESSAGE_TOO_BIG:
                metrics.LIMITS_HIT.labels("message").inc()
            self._end(close_codes.NO_STATUS if event.code is None else event.code)
        if self._closing is None:
            # Bytes that the peer does not read would keep the socket open for ever.
            self._closing = self._loop.call_later(_CLOSING_S, transport.abort)
        transport.close()

    def _end(self, code: int) -> None:
        """End the messages in both directions. The socket may stay open for the closing handshake."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(code)

    def _is_overfull(self) -> bool:
        if self._stall is None or self._transport is None:
            return False
        return self._transport.get_write_buffer_size() > OUTBOUND_LIMIT_BYTES

    def _cut_off(self, limit: str) -> None:
        metrics.LIMITS_HIT.labels(limit).inc()
        if self._transport is not None:
            self._transport.abort()
