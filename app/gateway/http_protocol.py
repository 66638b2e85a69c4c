"""uvicorn's HTTP protocol, which leaves the handshakes of charge points to a protocol of our own."""

import asyncio
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import is_ssl

from app.client_connections import KNOWN_CLIENT, LAST_REQUEST
from app.gateway.anonymous_connections import AnonymousConnection, AnonymousConnections
from app.gateway.handshake_protocol import HandshakeProtocol, handshake_key
from app.gateway.proxy_protocol import Origin
from app.gateway.request_heads import address_of, content_length, lacks_connection
from app.gateway.sockets import limit_unsent
from app.gateway.tls_failures import TLS_FAILED, failure_reason
from app.long_transfers import EXTENSION as LONG_TRANSFER
from app.long_transfers import upload_deadline
from app.metrics import TLS_FAILURES

HEAD_LIMIT_BYTES: Final = 32_768
"""Bytes of the head of a request, and of the trailers behind its body."""

HEAD_LIMIT_LINES: Final = 100
"""Fields of a head, its trailers included."""

_END_OF_HEAD: Final = b"\r\n\r\n"
_TLS_HANDSHAKE: Final = b"\x16\x03"
"""The first bytes of TLS (RFC 8446 5.1), of a charge point whose URL begins with wss://."""

_DISCARD_LIMIT_BYTES: Final = 262_144
"""Bytes of a body that are thrown away after its request was answered. Then the connection is closed."""

_LINGER_LIMIT_BYTES: Final = 65_536
"""Bytes that are read and thrown away after a refusal, so that our answer is not lost."""

_FIELD_BYTES: Final = 160
"""Memory that a field of a head takes besides its text."""

_CHUNKS_BYTES: Final = 8192
"""Bytes of a chunked body that are parsed at once. Trailers are counted in such steps."""

_PIPELINE_LIMIT: Final = 16
_NO_ROOM: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
_HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class ChargePointHttpProtocol(HttpToolsProtocol):
    """Switches handshakes under /ocpp/ to `HandshakeProtocol`. uvicorn serves everything else.

    A handshake under /ocpp/ that lacks `Connection: Upgrade` is completed. RFC 6455 4.2.1 requires the field,
    but some charge points send `Upgrade: websocket` alone.

    Everybody can send requests. So heads and trailers have limits, and `anonymous` watches the connection.
    """

    def __init__(self, *args: Any, anonymous: AnonymousConnections | None = None, **options: Any) -> None:
        """Make the protocol of one connection, as uvicorn does. anonymous: those of the worker."""
        super().__init__(*args, **options)
        self._anonymous = AnonymousConnections() if anonymous is None else anonymous
        self.watched: AnonymousConnection | None = None
        self.origin: Origin | None = None
        """The client, if a trusted proxy has told it."""
        self._is_completed = False
        self._is_over = False
        self._in_body = False
        self._body_left: int | None = None
        self._unread_bytes = 0
        self._discarded_bytes = 0
        self._lingering_bytes = 0
        self._held_bytes = 0
        self._lines = 0
        self._tail = b""
        self._transfer_begun_at = 0.0
        self._transferred_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin as uvicorn does, but read only the addresses from the transport.

        uvicorn reads the socket, too. That socket object would live as long as the connection.
        """
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = address_of(transport.get_extra_info("sockname"))
        self.client = address_of(transport.get_extra_info("peername"))
        self.scheme = "https" if is_ssl(transport) else "http"
        if self.origin is not None:
            self.client = self.origin.client or self.client
            self.server = self.origin.server or self.server
            if self.origin.security is not None:
                self.scheme = "https"
        peer = self.client[0] if self.client else ""
        self.watched = self._anonymous.enter(transport, self.flow, peer, len(self.connections))
        if self.watched is None:
            transport.write(_NO_ROOM)
            transport.close()
            return
        self.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection. Count it if TLS has failed: `tls_failures` names the reasons."""
        if self.watched is not None and (reason := failure_reason(exc)) is not None:
            TLS_FAILURES.labels(reason).inc()
            self._anonymous.count(f"tls_{reason}", self.watched.address)
            if (tell := self.app_state.get(TLS_FAILED)) is not None:
                tell(reason, self.watched.address)
        self.leave()
        super().connection_lost(exc)

    def leave(self) -> None:
        """Stop watching the connection: it has ended, or its charge point has logged in."""
        if self.watched is not None:
            self._anonymous.leave(self.watched)

    def pause_writing(self) -> None:
        """Set a deadline, because the client does not read."""
        self._wait_for_peer(self._anonymous.limits.request_s)
        super().pause_writing()
        self._hold()

    def resume_writing(self) -> None:
        """Cancel the deadline of the answer, because the client reads again."""
        super().resume_writing()
        self._hold()
        if self._in_body:
            self._wait_for_peer(self._anonymous.limits.request_s)
        else:
            self._wait_for_us()
            self._expect_next()

    # Requests

    def on_message_begin(self) -> None:
        """Begin the next request."""
        self._is_completed = False
        self._lines = 0
        self._wait_for_peer(self._anonymous.limits.head_s)
        super().on_message_begin()
        # The type of uvicorn allows objects only. The specification of ASGI leaves it to the extension.
        extensions: dict[str, Any] = {
            LONG_TRANSFER: self._begin_long_transfer,
            KNOWN_CLIENT: self._note_known_client,
        }
        if self.watched is not None and not self.watched.is_of_proxy:
            extensions[LAST_REQUEST] = True
        self.scope["extensions"] = extensions

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a field to the head. Trailers are only counted: they must not change the head."""
        self._lines += 1
        self._held_bytes += _FIELD_BYTES
        if not self._in_body and self._lines <= HEAD_LIMIT_LINES:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer the request. Complete a handshake that lacks `Connection: Upgrade`."""
        self._in_body = True
        self._unread_bytes = self._discarded_bytes = 0
        self._body_left = content_length(self.headers)
        self._wait_for_peer(self._anonymous.limits.request_s)
        if self._lines > HEAD_LIMIT_LINES:
            self._is_over = True
        elif not (
            lacks_connection(self.parser.get_http_version(), self.url, self.headers)
            and self._should_upgrade_to_ws()
        ):
            super().on_headers_complete()
        else:
            self.scope["method"] = self.parser.get_method().decode("ascii")
            self.headers.append((b"connection", b"Upgrade"))
            self._is_completed = True

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._unread_bytes = 0
        if self._body_left is not None:
            self._body_left -= len(body)
        if self.watched is not None and self.watched.is_transfer:
            self._transferred_bytes += len(body)
            self.watched.deadline = upload_deadline(
                self._transfer_begun_at,
                self.loop.time(),
                self._transferred_bytes,
                self._anonymous.limits.transfer_stall_s,
            )
            # The route writes it to a disk.
            self._held_bytes -= len(body)
        if self.cycle is not None and self.cycle.response_complete:
            self._discarded_bytes += len(body)
        if not self._is_over:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request. A completed handshake is not answered by HTTP."""
        self._in_body = False
        self._unread_bytes = 0
        self._wait_for_us()
        if not (self._is_completed or self._is_over):
            super().on_message_complete()
            self._expect_next()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        if self.watched is not None and self.watched.is_transfer:
            self.watched.is_transfer = False
            if self._in_body:
                # The rest of a refused body is thrown away, but not for ever.
                self._wait_for_peer(self._anonymous.limits.request_s)
        if not self.pipeline:
            self._held_bytes = 0
            self._hold()
        super().on_response_complete()
        self._expect_next()
        if self.watched is not None and not self.transport.is_closing():
            self._slow_down(self.watched)

    # Bytes

    def data_received(self, data: bytes) -> None:
        """Read requests, or a part of one. The bytes that follow a handshake are not HTTP.

        The data is cut at the end of each head, because the parser does not report where the head of a
        completed handshake ends.
        """
        if self._is_over:
            self._linger(len(data))
            return
        self._unset_keepalive_if_required()
        start = 0
        while start < len(data) and not (self._is_over or self.transport.is_closing()):
            end = self._end_of_part(data, start)
            self._unread_bytes += end - start
            self._held_bytes += end - start
            if self._parse_part(data, start, end):
                return
            if self._unread_bytes > HEAD_LIMIT_BYTES or self._lines > HEAD_LIMIT_LINES:
                self._refuse("request_head", _HEAD_TOO_LARGE)
            elif self._discarded_bytes > _DISCARD_LIMIT_BYTES:
                self._refuse("unread_body")
            elif len(self.pipeline) > _PIPELINE_LIMIT:
                self._anonymous.count("pipelined_requests")
                self.transport.close()
            start = end
        self._hold()

    def _parse_part(self, data: bytes, start: int, end: int) -> bool:
        """Parse data[start:end]. Return True if nothing is left to parse: upgraded, or a bad request."""
        try:
            self.parser.feed_data(data[start:end])
        except HttpParserUpgrade as upgrade:
            if self._is_over:
                return False
            if not self._should_upgrade():
                self._unsupported_upgrade_warning()
                return False
            self._upgrade(data[start + upgrade.args[0] :])
            return True
        except HttpParserError:
            self._anonymous.count(
                "tls" if data.startswith(_TLS_HANDSHAKE) else "not_http",
                None if self.watched is None else self.watched.address,
            )
            self.send_400_response("Invalid HTTP request received.")
            return True
        if not self._is_completed or self.transport.is_closing():
            return False
        # For the parser this was an ordinary request, so it has not stopped there.
        self._is_completed = False
        self._upgrade(data[end:])
        return True

    def _end_of_part(self, data: bytes, start: int) -> int:
        """Return where the part that begins at `start` ends: a head, a body, or what has come of it.

        A body may hold thousands of blank lines, so heads are not looked for there.
        """
        if self._in_body:
            self._tail = b""
            size = _CHUNKS_BYTES if self._body_left is None else max(1, self._body_left)
            return min(len(data), start + size)
        # One byte above the limit shows that the head is too long.
        stop = min(len(data), start + HEAD_LIMIT_BYTES + 1 - self._unread_bytes)
        # The blank line itself may be split between two reads.
        tail, self._tail = self._tail, b""
        cut = (tail + data[start : start + 3]).find(_END_OF_HEAD) if tail else -1
        if cut >= 0:
            return start + cut + len(_END_OF_HEAD) - len(tail)
        found = data.find(_END_OF_HEAD, start, stop)
        if found < 0:
            self._tail = (tail + data[max(start, stop - 3) : stop])[-3:]
            return stop
        return found + len(_END_OF_HEAD)

    def _refuse(self, limit: str, answer: bytes = b"") -> None:
        """Close for a limit, after an answer if none was begun."""
        self._is_over = True
        self._anonymous.count(limit, None if self.watched is None else self.watched.address)
        cycle = self.cycle
        is_silent = cycle is None or cycle.response_complete or not cycle.response_started
        if cycle is not None and not cycle.response_complete:
            # The application must not write behind our answer.
            cycle.disconnected = True
            cycle.message_event.set()
        if self.watched is None or not is_silent:
            self.transport.close()
            return
        if cycle is not None:
            cycle.body = bytearray()
        if answer:
            self.transport.write(answer)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._anonymous.linger(self.watched)

    def _note_known_client(self) -> None:
        """Count no further requests of this connection as those of a stranger: its key has limits itself."""
        if self.watched is not None:
            self.watched.is_known = True

    def _slow_down(self, watched: AnonymousConnection) -> None:
        """Count a request. If its address sends too many, do not read the next one for a moment."""
        pause_s = self._anonymous.pause_after_request(watched)
        if pause_s > 0.0 and not self.pipeline and not self._in_body:
            watched.is_slowed = True
            self.flow.pause_reading()
            self.loop.call_later(pause_s, self._speed_up, watched)

    def _speed_up(self, watched: AnonymousConnection) -> None:
        watched.is_slowed = False
        if not self._is_over and not self.transport.is_closing():
            self.flow.resume_reading()

    def _linger(self, size: int) -> None:
        """Throw away what comes after a refusal, and stop to read when that is much."""
        self._lingering_bytes += size
        if self._lingering_bytes > _LINGER_LIMIT_BYTES:
            self.flow.pause_reading()

    def _begin_long_transfer(self) -> None:
        """Let the present request last as long as its client makes progress. A route has let it in."""
        if self.watched is None:
            return
        self.watched.is_transfer = True
        self._transfer_begun_at, self._transferred_bytes = self.loop.time(), 0
        if self._in_body:
            self._wait_for_peer(self._anonymous.limits.transfer_stall_s)
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            # The acceptor has done it for a socket of the core.
            limit_unsent(sock)

    def _wait_for_peer(self, seconds: float) -> None:
        if self.watched is not None:
            self.watched.deadline = self.loop.time() + seconds

    def _wait_for_us(self) -> None:
        if self.watched is not None:
            self.watched.deadline = None

    def _expect_next(self) -> None:
        if self.cycle is not None and self.cycle.response_complete and not self._in_body:
            limits = self._anonymous.limits
            self._wait_for_peer(limits.request_s if self.flow.write_paused else limits.head_s)

    def _hold(self, early_bytes: int = 0) -> None:
        """Tell how much memory the connection takes. early_bytes: those that follow a handshake."""
        if self.watched is not None:
            unsent = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
            self._anonymous.hold(self.watched, max(0, self._held_bytes) + early_bytes + unsent)

    def _upgrade(self, early: bytes) -> None:
        """Continue as a WebSocket. early: the bytes that followed the request."""
        self._wait_for_us()
        self._hold(len(early))
        key = handshake_key(self.scope["method"], self.parser.get_http_version(), self.headers)
        # The parser refers to this object: only the garbage collector would find such a cycle.
        self.parser = None  # type: ignore[assignment]  # as uvicorn itself does when a connection is lost
        HandshakeProtocol(self, key, early, self.leave, self._hold).begin()
