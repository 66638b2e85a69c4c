"""uvicorn's HTTP protocol, which leaves the handshakes of charge points to a protocol of our own."""

import asyncio
from typing import Any, Final, cast

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import is_ssl

from app.gateway.anonymous_connections import AnonymousConnection, AnonymousConnections
from app.gateway.handshake import Headers
from app.gateway.handshake_protocol import HandshakeProtocol, handshake_key
from app.gateway.path import belongs_here

HEAD_LIMIT_BYTES: Final = 32_768
"""Bytes of the head of a request, and of the trailers behind its body."""

HEAD_LIMIT_LINES: Final = 100
"""Fields of a head, its trailers included."""

_END_OF_HEAD: Final = b"\r\n\r\n"
_TLS_HANDSHAKE: Final = b"\x16\x03"
"""The first bytes of TLS (RFC 8446 5.1), of a charge point whose URL begins with wss://."""

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
        self._is_completed = False
        self._is_over = False
        self._in_body = False
        self._body_left: int | None = None
        self._unread_bytes = 0
        self._lines = 0
        self._tail = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin as uvicorn does, but read only the addresses from the transport.

        uvicorn reads the socket, too. That socket object would live as long as the connection.
        """
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = _address(transport.get_extra_info("sockname"))
        self.client = _address(transport.get_extra_info("peername"))
        self.scheme = "https" if is_ssl(transport) else "http"
        peer = self.client[0] if self.client else ""
        self.watched = self._anonymous.enter(transport, self.flow, peer, len(self.connections))
        if self.watched is None:
            transport.write(_NO_ROOM)
            transport.close()
            return
        self.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
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

    def resume_writing(self) -> None:
        """Cancel the deadline, because the client reads again."""
        self._wait_for_us()
        super().resume_writing()

    # Requests

    def on_message_begin(self) -> None:
        """Begin the next request."""
        self._is_completed = False
        self._lines = 0
        self._wait_for_peer(self._anonymous.limits.head_s)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a field to the head. Trailers are only counted: they must not change the head."""
        self._lines += 1
        if not self._in_body and self._lines <= HEAD_LIMIT_LINES:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer the request. Complete a handshake that lacks `Connection: Upgrade`."""
        self._in_body = True
        self._unread_bytes = 0
        self._body_left = _content_length(self.headers)
        self._wait_for_peer(self._anonymous.limits.request_s)
        if self._lines > HEAD_LIMIT_LINES:
            self._is_over = True
        elif not self._lacks_connection():
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
        super().on_response_complete()
        self._expect_next()

    # Bytes

    def data_received(self, data: bytes) -> None:
        """Read requests, or a part of one. The bytes that follow a handshake are not HTTP.

        The data is cut at the end of each head, because the parser does not report where the head of a
        completed handshake ends.
        """
        self._unset_keepalive_if_required()
        start = 0
        while start < len(data) and not (self._is_over or self.transport.is_closing()):
            end = self._end_of_part(data, start)
            self._unread_bytes += end - start
            if self._parse_part(data, start, end):
                return
            if self._unread_bytes > HEAD_LIMIT_BYTES or self._lines > HEAD_LIMIT_LINES:
                self._refuse_head()
            elif len(self.pipeline) > _PIPELINE_LIMIT:
                self._anonymous.count("pipelined_requests")
                self.transport.close()
            start = end

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

    def _refuse_head(self) -> None:
        """Answer 431 if that is still possible, and close."""
        self._is_over = True
        self._anonymous.count("request_head")
        cycle = self.cycle
        is_silent = cycle is None or cycle.response_complete or not cycle.response_started
        if cycle is not None and not cycle.response_complete:
            # The application must not write behind our answer.
            cycle.disconnected = True
            cycle.message_event.set()
        if self.watched is None or not is_silent:
            self.transport.close()
            return
        self.transport.write(_HEAD_TOO_LARGE)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._anonymous.linger(self.watched)

    def _wait_for_peer(self, seconds: float) -> None:
        if self.watched is not None:
            self.watched.deadline = self.loop.time() + seconds

    def _wait_for_us(self) -> None:
        if self.watched is not None:
            self.watched.deadline = None

    def _expect_next(self) -> None:
        if self.cycle is not None and self.cycle.response_complete and not self._in_body:
            self._wait_for_peer(self._anonymous.limits.head_s)

    def _upgrade(self, early: bytes) -> None:
        """Continue as a WebSocket. early: the bytes that followed the request."""
        if not belongs_here(self.url):
            self._wait_for_peer(self._anonymous.limits.head_s)
            self.handle_websocket_upgrade()
            if early:
                cast(asyncio.Protocol, self.transport.get_protocol()).data_received(early)
            return
        self._wait_for_us()
        key = handshake_key(self.scope["method"], self.parser.get_http_version(), self.headers)
        # The parser refers to this object: only the garbage collector would find such a cycle.
        self.parser = None  # type: ignore[assignment]  # as uvicorn itself does when a connection is lost
        HandshakeProtocol(self, key, early, self.leave).begin()

    def _lacks_connection(self) -> bool:
        if self.parser.get_http_version() != "1.1" or all(name != b"upgrade" for name, _ in self.headers):
            return False
        if not belongs_here(self.url):
            return False
        fields = dict(self.headers)
        return (
            fields.get(b"upgrade", b"").lower() == b"websocket"
            and b"sec-websocket-key" in fields
            and b"connection" not in fields
            and self._should_upgrade_to_ws()
        )


def _address(name: Any) -> tuple[str, int] | None:
    """Return host and port of a TCP address, None for any other address."""
    return (name[0], name[1]) if isinstance(name, tuple) else None


def _content_length(headers: Headers) -> int | None:
    """Return the length of the body; None if it is chunked, or of unknown length."""
    fields = dict(headers)
    length = fields.get(b"content-length", b"0")
    return int(length) if b"transfer-encoding" not in fields and length.isdigit() else None
