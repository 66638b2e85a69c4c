"""The asyncio protocol of a charge point's socket during the WebSocket handshake (RFC 6455 4).

`http_protocol` starts it for handshakes under /ocpp/. It does not read frames. The endpoint answers through
ASGI. After `websocket.accept` it takes this protocol from the scope (`EXTENSION`) and gives the
socket to a `WebSocketConnection`.
"""

import asyncio
import binascii
import hashlib
import logging
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected

from app import close_codes
from app.connection import TransportSecurity
from app.gateway.handshake import Headers
from app.gateway.proxy_protocol import Origin
from app.gateway.sockets import WorkerSockets
from app.gateway.transport import SECURITY, Receiver
from app.gateway.websocket_connection import WebSocketConnection
from app.ocpp import Deframer

EXTENSION: Final = "stationmaster.switch_to"
"""The name under which the endpoint finds the protocol in the extensions of the ASGI scope."""

_EARLY_LIMIT_BYTES: Final = 65_536
"""Bytes that are kept for a peer that sends before its handshake is answered."""

_EARLY_FRAGMENTS_LIMIT: Final = 16

_KEY_BYTES: Final = 16
_ACCEPT_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 1.3."""

_NO_SOCKETS: Final = WorkerSockets()
"""It is not started, so every connection stays with its transport."""

_LOG = logging.getLogger("uvicorn.error")


def handshake_key(method: str, http_version: str, headers: Headers) -> bytes | None:
    """Return the Sec-WebSocket-Key of a well-formed handshake (RFC 6455 4.2.1), None for a malformed one.

    The caller has checked already that `Connection` asks for an upgrade.
    """
    if method != "GET" or http_version != "1.1":
        return None
    found: dict[bytes, bytes | None] = {}
    for name, value in headers:
        # A repeated field counts as absent.
        found[name] = None if name in found else value
    upgrade, key = found.get(b"upgrade"), found.get(b"sec-websocket-key")
    if upgrade is None or upgrade.lower() != b"websocket" or found.get(b"sec-websocket-version") != b"13":
        return None
    try:
        return key if key is not None and len(b64decode(key, validate=True)) == _KEY_BYTES else None
    except binascii.Error:
        return None


class HandshakeProtocol(asyncio.Protocol):
    """One connection, up to the answer to its handshake."""

    __slots__ = (
        "_accept",
        "_answer",
        "_connections",
        "_early",
        "_hold",
        "_http",
        "_is_answered",
        "_is_asked",
        "_leave",
        "_lost",
        "_transport",
    )

    def __init__(
        self,
        http: HttpToolsProtocol,
        key: bytes | None,
        early: bytes,
        leave: Callable[[], None] = lambda: None,
        hold: Callable[[int], None] = lambda early_bytes: None,
    ) -> None:
        """Take over the connection of `http`, which has read the request.

        key: the Sec-WebSocket-Key of the request, None if the handshake is malformed; early: bytes that
        followed the request; leave: called when the connection has ended or logged in; hold: told how many
        early bytes there are.
        """
        self._http = http
        self._leave = leave
        self._hold = hold
        self._accept = None if key is None else _accept_of(key)
        self._early = bytearray(early)
        self._transport: asyncio.Transport | None = http.transport
        # uvicorn shuts down the members of this set, and waits for them.
        self._connections = cast(set[Any], http.connections)
        self._connections.discard(http)
        self._connections.add(self)
        self._is_asked = False
        self._is_answered = False
        self._answer: dict[str, Any] | None = None
        self._lost: asyncio.Future[None] | None = None

    @property
    def is_malformed(self) -> bool:
        """Whether the request breaks RFC 6455 4.2.1, so that it can only be refused."""
        return self._accept is None

    @property
    def is_lost(self) -> bool:
        """Whether the peer is gone."""
        return self._transport is None

    def begin(self) -> None:
        """Ask the ASGI application, in a task of its own."""
        self._http.transport.set_protocol(self)
        task = self._http.loop.create_task(self._run())
        task.add_done_callback(self._http.tasks.discard)
        self._http.tasks.add(task)

    def switch_to(
        self,
        websocket: WebSocketConnection,
        receiver: Receiver,
        ended: Callable[[int], None],
        sockets: WorkerSockets = _NO_SOCKETS,
    ) -> None:
        """Give the socket to a WebSocket connection, right after `websocket.accept`.

        receiver, ended: see `WebSocketConnection.start`; sockets: takes the socket from its transport, if it
        can.
        """
        transport, self._transport = self._transport, None
        if transport is None:
            raise ClientDisconnected
        self._leave()
        self._connections.discard(self)
        try:
            # Before `start`, which may write more than the peer reads.
            socket = sockets.take_over(transport, websocket, receiver.reader)
        except BaseException:
            transport.abort()
            raise
        self._connections.add(websocket)
        websocket.start(socket, receiver, ended, self._connections.discard)
        if self._early:
            socket.resume_reading()
            websocket.data_received(bytes(self._early))

    # The socket

    def data_received(self, data: bytes) -> None:
        """Keep bytes that come before the answer to the handshake."""
        self._early += data
        self._hold(len(self._early))
        if len(self._early) > _EARLY_LIMIT_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the socket. The application is told when it next sends or receives."""
        self._leave()
        self._connections.discard(self)
        self._transport = None
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    def shutdown(self) -> None:
        """Answer 503, because the server stops. uvicorn calls this."""
        if not self._is_answered:
            self._respond(HTTPStatus.SERVICE_UNAVAILABLE, ())
        self._transport = None

    # ASGI

    async def _run(self) -> None:
        try:
            await self._http.app(cast(Any, self._scope()), cast(Any, self._receive), cast(Any, self._send))
        except ClientDisconnected:
            pass
        except Exception:
            _LOG.exception("Exception in ASGI application\n")
        finally:
            if self._transport is not None and not self._is_answered:
                self._respond(HTTPStatus.INTERNAL_SERVER_ERROR, ())
            elif self._transport is not None:
                self._transport.close()

    def _scope(self) -> dict[str, Any]:
        http = self._http
        target, _, query = http.url.partition(b"?")
        return {
            "type": "websocket",
            "asgi": {"version": http.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if http.scheme == "https" else "ws",
            "server": http.server,
            "client": http.client,
            "root_path": http.root_path,
            "path": http.root_path + unquote(target.decode("latin-1")),
            "raw_path": http.root_path.encode() + target,
            "query_string": query,
            "headers": http.headers,
            "subprotocols": _tokens(http.headers, b"sec-websocket-protocol"),
            "state": http.app_state.copy(),
            "extensions": {"websocket.http.response": {}, EXTENSION: self, SECURITY: _security_of(http)},
        }

    async def _receive(self) -> dict[str, Any]:
        if not self._is_asked:
            self._is_asked = True
            return {"type": "websocket.connect"}
        if self._transport is not None:
            self._lost = self._lost or self._http.loop.create_future()
            await asyncio.shield(self._lost)
        return {"type": "websocket.disconnect", "code": close_codes.ABNORMAL}

    async def _send(self, message: dict[str, Any]) -> None:
        if self._transport is None:
            raise ClientDisconnected
        match message["type"]:
            case "websocket.accept" if not self._is_answered:
                self._switch(message.get("subprotocol"), message.get("headers", ()))
            case "websocket.close" if not self._is_answered:
                self._respond(HTTPStatus.FORBIDDEN, ())
            case "websocket.close":
                # Accepted only to be closed: the connection does the closing handshake.
                websocket = WebSocketConnection(self._http.loop)
                self.switch_to(websocket, _Discard(), _ignore)
                websocket.close(message.get("code", close_codes.NORMAL), message.get("reason") or "")
            case "websocket.http.response.start" if not self._is_answered:
                self._answer = {"body": b"", **message}
            case "websocket.http.response.body" if self._answer is not None:
                self._answer["body"] += message.get("body", b"")
                if not message.get("more_body", False):
                    self._respond(self._answer["status"], self._answer["headers"], self._answer["body"])
            case unexpected:
                raise RuntimeError(f"{unexpected} is not an answer to the handshake of a charge point")

    def _switch(self, subprotocol: str | None, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._is_answered = True
        fields = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", cast(bytes, self._accept)),
            *self._http.server_state.default_headers,
            *headers,
        ]
        if subprotocol is not None:
            fields.append((b"sec-websocket-protocol", subprotocol.encode("latin-1")))
        self._write(HTTPStatus.SWITCHING_PROTOCOLS, fields, b"")

    def _respond(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes = b"") -> None:
        self._is_answered = True
        fields = [*self._http.server_state.default_headers, *headers, (b"connection", b"close")]
        if all(name != b"content-length" for name, _ in fields):
            fields.append((b"content-length", b"%d" % len(body)))
        self._write(HTTPStatus(status), fields, body)
        if self._transport is not None:
            self._transport.close()

    def _write(self, status: HTTPStatus, fields: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode())]
            lines += [name + b": " + value for name, value in fields]
            self._transport.write(b"\r\n".join((*lines, b"", body)))


class _Discard:
    """The receiver of a connection that is being closed. Only the closing handshake is read."""

    def __init__(self) -> None:
        self.reader = Deframer(_EARLY_LIMIT_BYTES, _EARLY_FRAGMENTS_LIMIT)

    def handle(self, found: Any) -> None:
        """Ignore a message."""


def _security_of(http: HttpToolsProtocol) -> TransportSecurity:
    """Return the protection of a connection. A trusted proxy knows it better than the transport."""
    origin: Origin | None = getattr(http, "origin", None)
    if origin is not None and origin.security is not None:
        return origin.security
    # A transport of asyncio tells only whether it has TLS.
    known: TransportSecurity | None = http.transport.get_extra_info(SECURITY)
    return TransportSecurity(tls=http.scheme == "https") if known is None else known


def _accept_of(key: bytes) -> bytes:
    return b64encode(hashlib.sha1(key + _ACCEPT_SUFFIX).digest())  # noqa: S324 - RFC 6455 4.2.2


def _ignore(code: int) -> None:
    pass


def _tokens(headers: Headers, name: bytes) -> list[str]:
    values = (value.decode("latin-1") for key, value in headers if key == name)
    return [token.strip() for value in values for token in value.split(",")]
