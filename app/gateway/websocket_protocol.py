"""uvicorn's WebSocket protocol with a short way for what charge points send: whole, masked text frames.

Such a frame goes from the socket to the session in one call: no queue, no task switch, no message object.
Everything else (control frames, fragments, binary, whatever breaks RFC 6455) takes uvicorn's own way. The
short way begins with `open`; until then, and for other endpoints, this is uvicorn's protocol.
"""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import OPEN

from app import metrics
from app.gateway.transport import OUTBOUND_LIMIT_BYTES, SEND_DEADLINE_S, Receiver

try:
    from websockets.speedups import apply_mask
except ImportError:
    # The wheel for platforms without a C extension.
    from websockets.utils import apply_mask

EXTENSION: Final = "stationmaster.direct"
"""Name in the scope's extensions under which the endpoint finds the protocol."""

FRAGMENTS_LIMIT: Final = 1024
"""Fragments of one message; a charge point that needs more sends a few bytes at a time to keep us busy."""

_WHOLE_TEXT: Final = 0x81
_MASKED: Final = 0x80
_CLOSE_INVALID_TEXT: Final = 1007
_CLOSE_TOO_BIG: Final = 1009


class ChargePointProtocol(WebSocketsSansIOProtocol):
    """One connection, and the transport of its session."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._receiver: Receiver | None = None
        self._held: list[str | tuple[int, str]] = []
        self._received = 0
        self._long_way_only = False
        self._partial = bytearray()
        self._needed_bytes = 0
        self._reading = True
        self._heard_at = 0.0
        self._stall: asyncio.TimerHandle | None = None

    # Transport of a session

    def open(self, receiver: Receiver) -> None:
        """The handshake is done: messages go to the receiver, and what was held goes out."""
        # A peer that did not wait for the answer has its first frames on the long way, perhaps half of one.
        self._long_way_only = self._received > 1
        self._receiver = receiver
        held, self._held = self._held, []
        for item in held:
            if isinstance(item, str):
                self.send_text(item)
            else:
                self.close(*item)

    @property
    def readable(self) -> None:
        """Nothing to wait for: `pause_reading` stops the socket itself."""
        return None

    def closed(self) -> None:
        """The session has ended."""
        self._held.clear()

    def send_text(self, text: str) -> None:
        """Write one text message; a peer for which too much waits already is cut off."""
        if self._receiver is None:
            self._held.append(text)
            return
        if self.close_sent or self.disconnected:
            return
        data = text.encode()
        length = len(data)
        if length < 126:
            head = bytes((_WHOLE_TEXT, length))
        elif length < 65536:
            head = bytes((_WHOLE_TEXT, 126)) + length.to_bytes(2, "big")
        else:
            head = bytes((_WHOLE_TEXT, 127)) + length.to_bytes(8, "big")
        self.transport.write(head + data)
        if self._is_overfull():
            self._cut_off("outbound_buffer")

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake; a peer that does not take part in it is cut off."""
        if self._receiver is None:
            self._held.append((code, reason))
            return
        if self.close_sent or self.disconnected:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
        self.resume_reading()

    def pause_reading(self) -> None:
        """Take no further message until `resume_reading`, so that TCP slows the peer down."""
        if self._reading and not self.close_sent:
            self._reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on, beginning with what has arrived already."""
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
            self.loop.call_soon(self._take_frames)

    # The socket

    def data_received(self, data: bytes) -> None:
        """Take bytes of the peer."""
        self._received += 1
        self._heard_at = self.loop.time()
        if self._receiver is None or self._long_way_only:
            super().data_received(data)
            return
        self._partial += data
        if len(self._partial) >= self._needed_bytes:
            self._take_frames()

    def _take_frames(self) -> None:
        """Take every frame that is complete."""
        buffer = self._partial
        while self._reading and not self.disconnected and len(buffer) >= 2:
            size, head = _measure(buffer)
            if size == 0 or size - head > (self.conn.max_message_size or size):
                # Not masked, or too big: the long way knows how to refuse it, from its first bytes on.
                self._take_the_long_way(len(buffer))
                return
            if len(buffer) < size:
                self._needed_bytes = size
                return
            if buffer[0] == _WHOLE_TEXT and self.conn.current_size is None and self.conn.state is OPEN:
                text = apply_mask(buffer[head:size], bytes(buffer[head - 4 : head]))
                del buffer[:size]
                self._deliver(text, is_text=True)
            else:
                self._take_the_long_way(size)
        self._needed_bytes = 0

    def _take_the_long_way(self, size_bytes: int) -> None:
        data = bytes(self._partial[:size_bytes])
        del self._partial[:size_bytes]
        super().data_received(data)

    def _deliver(self, data: bytes, *, is_text: bool) -> None:
        receiver = self._receiver
        if self.close_sent or receiver is None:
            return
        if not is_text:
            receiver.receive_binary(bytes(data))
            return
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError:
            self._fail(_CLOSE_INVALID_TEXT, "text that is not UTF-8")
            return
        receiver.receive_text(text)

    def send_receive_event_to_app(self) -> None:
        """Hand over a message that came the long way."""
        if self._receiver is None:
            super().send_receive_event_to_app()
            return
        data = b"".join(self.frames)
        self.frames = []
        self._deliver(data, is_text=self.curr_msg_data_type == "text")

    def handle_cont(self, event: Any) -> None:
        """Take a fragment; their number has a limit as their size has."""
        if len(self.frames) >= FRAGMENTS_LIMIT:
            metrics.LIMITS_HIT.labels("fragments").inc()
            self._fail(_CLOSE_TOO_BIG, "too many fragments")
        elif not self.close_sent:
            super().handle_cont(event)

    def handle_connect(self, event: Request) -> None:
        """Begin with the handshake; the endpoint finds this protocol in the scope."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast(dict[str, Any], self.scope["extensions"])[EXTENSION] = self

    def keepalive_timeout(self) -> None:
        """No pong came. A peer that sent anything else since the ping lives all the same (OCPP 1.6 4.6).

        So does one that we do not read from: its pong waits in the socket for our own slowness.
        """
        if not self._reading or self._heard_at > self.ping_sent_at:
            self.pong_timer = None
            self.pending_ping_payload = None
            self.schedule_ping()
            return
        super().keepalive_timeout()
        if self.close_timer is None:
            # What a dead peer has not taken would keep the socket open for ever.
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def handle_ping(self) -> None:
        """Answer a ping; one who sends them and does not read the pongs is cut off."""
        if self._is_overfull():
            self._cut_off("outbound_buffer")
        else:
            super().handle_ping()

    def pause_writing(self) -> None:
        """The peer does not read: from now on it has a deadline."""
        super().pause_writing()
        if self._receiver is not None and self._stall is None:
            self._stall = self.loop.call_later(SEND_DEADLINE_S, self._cut_off, "send_deadline")

    def resume_writing(self) -> None:
        """The peer has made room."""
        super().resume_writing()
        self._end_stall()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what waits."""
        self._end_stall()
        self._partial.clear()
        super().connection_lost(exc)

    def _fail(self, code: int, reason: str) -> None:
        """Refuse what the peer sent: close at once, as RFC 6455 7.1.7 says."""
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def _is_overfull(self) -> bool:
        return self._stall is not None and self.transport.get_write_buffer_size() > OUTBOUND_LIMIT_BYTES

    def _end_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _cut_off(self, limit: str) -> None:
        metrics.LIMITS_HIT.labels(limit).inc()
        self.transport.abort()


def _measure(buffer: bytearray) -> tuple[int, int]:
    """Size of the frame that begins here, and of its head; (0, 0) for one that is not masked.

    An incomplete head makes a size that is larger than the buffer.
    """
    second = buffer[1]
    if not second & _MASKED:
        return 0, 0
    length = second & 0x7F
    if length < 126:
        return length + 6, 6
    head = 8 if length == 126 else 14
    if len(buffer) < head:
        return head, head
    return head + int.from_bytes(buffer[2 : head - 4], "big"), head
