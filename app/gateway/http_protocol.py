"""uvicorn's HTTP protocol, with a way of our own for the handshakes of charge points."""

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
    """Under /ocpp/ a handshake in good form goes on as `HandshakeProtocol`; everything else is uvicorn's.

    One thing is mended there: a handshake without `Connection: Upgrade` counts as one with it. RFC 6455 4.2.1
    wants the field; some charge points send `Upgrade: websocket` alone.
    """

    _mended = False
    _in_body = False
    _tail = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin as uvicorn does, but ask for the addresses only.

        It asks for the socket, and a socket object then lives as long as the connection of a charge point.
        """
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = _address(transport.get_extra_info("sockname"))
        self.client = _address(transport.get_extra_info("peername"))
        self.scheme = "https" if is_ssl(transport) else "http"

    def on_message_begin(self) -> None:
        """Begin with the next request."""
        self._mended = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Look for a handshake that lacks the field."""
        self._in_body = True
        if not self._lacks_connection():
            super().on_headers_complete()
            return
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.headers.append((b"connection", b"Upgrade"))
        self._mended = True

    def on_message_complete(self) -> None:
        """A mended request is not answered by HTTP."""
        self._in_body = False
        if not self._mended:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Read requests, or a piece of one. What comes right behind a handshake is no HTTP any more.

        Cut where a head ends: of a request that is mended the parser does not say where it does.
        """
        self._unset_keepalive_if_required()
        start = 0
        while start < len(data) and not self.transport.is_closing():
            end = self._end_of_head(data, start)
            if self._goes_on_as_websocket(data, start, end):
                return
            start = end

    def _goes_on_as_websocket(self, data: bytes, start: int, end: int) -> bool:
        """Parse a part; say whether the socket, and what stands behind it, is no longer ours."""
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
        if not self._mended or self.transport.is_closing():
            return False
        # The parser itself never stops at a request that was mended.
        self._mended = False
        self._upgrade(data[end:])
        return True

    def _end_of_head(self, data: bytes, start: int) -> int:
        """Where the head ends that begins or goes on at `start`; where none ends, and in a body: at the end.

        Blank lines of a body are not looked for: there may be thousands of them.
        """
        # The blank line may be cut itself.
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
        """Go on as WebSocket. early: what came behind the request."""
        key = None
        if belongs_here(self.url):
            key = handshake_key(self.scope["method"], self.parser.get_http_version(), self.headers)
        if key is None:
            self.handle_websocket_upgrade()
            if early:
                cast(asyncio.Protocol, self.transport.get_protocol()).data_received(early)
            return
        # It refers back to this object, and would be garbage that only the collector finds.
        self.parser = None  # type: ignore[assignment]  # as uvicorn itself does when a connection is lost
        HandshakeProtocol(self, key, early).begin()

    def _lacks_connection(self) -> bool:
        if self.parser.get_http_version() != "1.1" or not belongs_here(self.url):
            return False
        fields = dict(self.headers)
        return (
            fields.get(b"upgrade", b"").lower() == b"websocket"
            and b"sec-websocket-key" in fields
            and b"connection" not in fields
            and self._should_upgrade_to_ws()
        )


def _address(name: Any) -> tuple[str, int] | None:
    """Host and port of a TCP address; None for any other one."""
    return (name[0], name[1]) if isinstance(name, tuple) else None
