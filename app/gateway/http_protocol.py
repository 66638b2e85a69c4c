"""uvicorn's HTTP protocol, for charge points that ask for a WebSocket and leave the Connection field out."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.gateway.path import belongs_here


class ChargePointHttpProtocol(HttpToolsProtocol):
    """Mends one thing: under /ocpp/ a handshake without `Connection: Upgrade` counts as one with it.

    RFC 6455 4.2.1 wants the field; some charge points send `Upgrade: websocket` alone. Every other request
    passes through untouched.
    """

    _mended = False

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

    def on_body(self, body: bytes) -> None:
        """A handshake has no body."""
        if not self._mended:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A mended request is not answered by HTTP."""
        if not self._mended:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Go on as WebSocket where the field was mended; the parser itself never stops at such a request."""
        super().data_received(data)
        if self._mended and not self.transport.is_closing():
            self._mended = False
            self.handle_websocket_upgrade()

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
