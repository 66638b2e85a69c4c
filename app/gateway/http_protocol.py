"""uvicorn's HTTP protocol, for charge points whose handshakes uvicorn does not understand."""

import asyncio
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.gateway.path import belongs_here

_END_OF_HEAD: Final = b"\r\n\r\n"


class ChargePointHttpProtocol(HttpToolsProtocol):
    """Mends two things; every other request passes through untouched.

    Under /ocpp/ a handshake without `Connection: Upgrade` counts as one with it: RFC 6455 4.2.1 wants the
    field, some charge points send `Upgrade: websocket` alone. And what follows a handshake in the same read
    goes to the WebSocket, where uvicorn drops it: a charge point need not wait for the answer. For that each
    read is cut where a head ends; the parser does not say where, if it sees a plain request in a handshake.
    """

    _mended = False
    _successor: asyncio.Protocol | None = None
    _tail = b""

    def on_message_begin(self) -> None:
        """Begin with the next request."""
        self._mended = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Look for a handshake that lacks the field."""
        if not self._lacks_connection():
            super().on_headers_complete()
            return
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.headers.append((b"connection", b"Upgrade"))
        self._mended = True

    def on_message_complete(self) -> None:
        """A mended request is not answered by HTTP."""
        if not self._mended:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Give the socket to the WebSocket protocol."""
        super().handle_websocket_upgrade()
        self._successor = cast(asyncio.Protocol, self.transport.get_protocol())

    def data_received(self, data: bytes) -> None:
        """Parse; go on as WebSocket after a handshake, with what stands behind it."""
        end = self._end_of_head(data)
        for part in (data[:end], data[end:]):
            if not part or self.transport.is_closing():
                return
            if self._successor is not None:
                self._successor.data_received(part)
                return
            super().data_received(part)
            if self._mended and not self.transport.is_closing():
                self._mended = False
                self.handle_websocket_upgrade()

    def _end_of_head(self, data: bytes) -> int:
        """How much of a read belongs to the request whose head ends in it; all of it where none ends."""
        found = (self._tail + data).find(_END_OF_HEAD)
        end = len(data) if found < 0 else found + len(_END_OF_HEAD) - len(self._tail)
        # The blank line may be cut itself.
        self._tail = (self._tail + data[-3:])[-3:]
        return end

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
