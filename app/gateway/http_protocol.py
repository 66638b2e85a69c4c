"""uvicorn's HTTP protocol, which leaves the handshakes of charge points to a protocol of our own."""

import asyncio
from typing import Any, Final, cast

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import is_ssl

from app.gateway.handshake_protocol import HandshakeProtocol, handshake_key
from app.gateway.path import belongs_here

_END_OF_HEAD: Final = b"\r\n\r\n"


class ChargePointHttpProtocol(HttpToolsProtocol):
    """Switches well-formed handshakes under /ocpp/ to `HandshakeProtocol`. uvicorn serves everything else.

    A handshake under /ocpp/ that lacks `Connection: Upgrade` is completed. RFC 6455 4.2.1 requires the field,
    but some charge points send `Upgrade: websocket` alone.
    """

    _is_completed = False
    _in_body = False
    _tail = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin as uvicorn does, but read only the addresses from the transport.

        uvicorn reads the socket, too. That socket object would live as long as the connection.
        """
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = _address(transport.get_extra_info("sockname"))
        self.client = _address(transport.get_extra_info("peername"))
        self.scheme = "https" if is_ssl(transport) else "http"

    def on_message_begin(self) -> None:
        """Begin the next request."""
        self._is_completed = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Complete a handshake that lacks `Connection: Upgrade`."""
        self._in_body = True
        if not self._lacks_connection():
            super().on_headers_complete()
            return
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.headers.append((b"connection", b"Upgrade"))
        self._is_completed = True

    def on_message_complete(self) -> None:
        """End the request. A completed handshake is not answered by HTTP."""
        self._in_body = False
        if not self._is_completed:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Read requests, or a part of one. The bytes that follow a handshake are not HTTP.

        The data is cut at the end of each head, because the parser does not report where the head of a
        completed handshake ends.
        """
        self._unset_keepalive_if_required()
        start = 0
        while start < len(data) and not self.transport.is_closing():
            end = self._end_of_head(data, start)
            if self._parse_part(data, start, end):
                return
            start = end

    def _parse_part(self, data: bytes, start: int, end: int) -> bool:
        """Parse data[start:end]. Return True if nothing is left to parse: upgraded, or a bad request."""
        try:
            self.parser.feed_data(data[start:end])
        except HttpParserUpgrade as upgrade:
            if not self._should_upgrade():
                self._unsupported_upgrade_warning()
                return False
            self._upgrade(data[start + upgrade.args[0] :])
            return True
        except HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("Invalid HTTP request received.")
            return True
        if not self._is_completed or self.transport.is_closing():
            return False
        # For the parser this was an ordinary request, so it has not stopped there.
        self._is_completed = False
        self._upgrade(data[end:])
        return True

    def _end_of_head(self, data: bytes, start: int) -> int:
        """Return where the head ends that begins or continues at `start`.

        Return the end of the data if no head ends there, and inside a body: a body may hold thousands of
        blank lines.
        """
        # The blank line itself may be split between two reads.
        tail, self._tail = self._tail, b""
        cut = (tail + data[:3]).find(_END_OF_HEAD)
        if cut >= 0:
            return cut + len(_END_OF_HEAD) - len(tail)
        found = -1 if self._in_body else data.find(_END_OF_HEAD, start)
        if found < 0:
            self._tail = (tail + data[-3:])[-3:]
            return len(data)
        return found + len(_END_OF_HEAD)

    def _upgrade(self, early: bytes) -> None:
        """Continue as a WebSocket. early: the bytes that followed the request."""
        key = None
        if belongs_here(self.url):
            key = handshake_key(self.scope["method"], self.parser.get_http_version(), self.headers)
        if key is None:
            self.handle_websocket_upgrade()
            if early:
                cast(asyncio.Protocol, self.transport.get_protocol()).data_received(early)
            return
        # The parser refers to this object: only the garbage collector would find such a cycle.
        self.parser = None  # type: ignore[assignment]  # as uvicorn itself does when a connection is lost
        HandshakeProtocol(self, key, early).begin()

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
