"""Serves `/ocpp/{tenant}/{identity}`: the handshake, then a session for each connection.

The handshake is decided by an ordinary ASGI endpoint. If our own protocol class read the request, the
endpoint then takes over the socket. Under any other ASGI server the messages come through ASGI, which is
slower, to the same session.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import orjson
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app import close_codes, metrics
from app.connection import Connection, TransportSecurity
from app.deviations.records import SeenDeviation
from app.errors import PROBLEM_MEDIA_TYPE, AppError
from app.gateway.admission import Admission, Admitted, Gone, NoSubprotocol
from app.gateway.asgi_transport import AsgiTransport
from app.gateway.denials import Denied
from app.gateway.handshake import Handshake, agreed_compression
from app.gateway.handshake_protocol import EXTENSION, HandshakeProtocol
from app.gateway.keepalive import Keepalive
from app.gateway.last_seen import LastSeenRecorder
from app.gateway.path import belongs_here
from app.gateway.registry import Registry
from app.gateway.session import Session, silence_s
from app.gateway.session_services import SessionServices
from app.gateway.sockets import WorkerSockets
from app.gateway.transport import SECURITY
from app.gateway.websocket_connection import WebSocketConnection
from app.login_attempts.recorder import RefusedLogins
from app.login_attempts.records import RefusalReason
from app.logs import get_logger
from app.ocpp import Protocol
from app.settings import Settings
from app.tasks import BackgroundTasks
from app.types import ChargePointId, TenantId

_LOG = get_logger(__name__)


_EXTENSIONS = b"sec-websocket-extensions"
_DRAIN_S: Final = 5.0
_MALFORMED: Final = Denied(
    RefusalReason.UPGRADE,
    AppError(
        "invalid_handshake",
        400,
        "Bad request",
        "This is not a WebSocket handshake of version 13 (RFC 6455 4.2.1).",
    ),
    {"Sec-WebSocket-Version": "13"},
)


@dataclass(frozen=True, slots=True)
class EndpointParts:
    """The collaborators of the endpoint.

    protocol: the version of OCPP that charge points speak; logged_in: told of each new connection.
    """

    protocol: Protocol
    admission: Admission
    registry: Registry
    services: SessionServices
    last_seen: LastSeenRecorder
    keepalive: Keepalive
    sockets: WorkerSockets
    refused: RefusedLogins
    logged_in: Callable[[Connection], None]


class ChargePointEndpoint:
    """The ASGI application that charge points connect to."""

    def __init__(self, parts: EndpointParts, settings: Settings) -> None:
        self.refused = parts.refused
        self.deviations = parts.services.deviations
        self._protocol = parts.protocol
        self._admission = parts.admission
        self._registry = parts.registry
        self._services = parts.services
        self._last_seen = parts.last_seen
        self._keepalive = parts.keepalive
        self._sockets = parts.sockets
        self._logged_in = parts.logged_in
        self._settings = settings
        self._background = BackgroundTasks()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket from its handshake to its end. Tell a plain HTTP client to upgrade."""
        direct: HandshakeProtocol | None = (scope.get("extensions") or {}).get(EXTENSION)
        handshake = _handshake(scope, direct)
        if scope["type"] == "http":
            self._admission.refuse_upgrade(handshake)
            await _answer_http(scope, send)
            return
        await receive()
        if direct is not None and direct.is_malformed:
            self._admission.refuse_upgrade(handshake)
            await _deny(scope, send, _MALFORMED)
            return
        decision = await self._admission.decide(handshake)
        match decision:
            case Gone():
                pass
            case Denied():
                await _deny(scope, send, decision)
            case NoSubprotocol():
                await send({"type": "websocket.accept"})
                await send(
                    {
                        "type": "websocket.close",
                        "code": close_codes.PROTOCOL_ERROR,
                        "reason": "no common subprotocol",
                    }
                )
            case Admitted():
                if direct is None:
                    await self._serve_asgi(decision, receive, send)
                else:
                    await self._serve_socket(decision, direct, send, handshake.values(_EXTENSIONS))

    async def drain(self) -> None:
        """Wait until the ends of closed connections are recorded."""
        await self._background.drain_within(_DRAIN_S)

    async def _serve_socket(
        self, admitted: Admitted, direct: HandshakeProtocol, send: Send, offered: list[bytes]
    ) -> None:
        """Take over the socket. This coroutine ends with the handshake; callbacks serve what follows.

        offered: the values of Sec-WebSocket-Extensions.
        """
        websocket = WebSocketConnection(asyncio.get_running_loop())
        compression = agreed_compression(offered) if self._settings.websocket_compression else None
        connection = self._connection(admitted)
        inflates = compression is not None
        session = Session(connection, websocket, self._services, is_framed=True, inflates=inflates)
        await self._open(session, admitted, send, compression)
        try:
            direct.switch_to(websocket, session, _SessionEnd(self, session), self._sockets)
        except BaseException:
            # Without its socket the session would count as connected for ever.
            self.ended(session, close_codes.ABNORMAL)
            raise
        self._keepalive.add(websocket, silence_s(connection))

    async def _serve_asgi(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        """Serve by ASGI messages, under any ASGI server. This coroutine ends with the connection."""
        transport = AsgiTransport(send, _abort_of(receive))
        session = Session(self._connection(admitted), transport, self._services, is_framed=False)
        await self._open(session, admitted, send)
        transport.open()
        code = close_codes.ABNORMAL
        try:
            code = await _pump(receive, session, transport)
        finally:
            session.closed()
            transport.closed()
            await self._leave(session, code)

    async def _open(
        self, session: Session, admitted: Admitted, send: Send, compression: bytes | None = None
    ) -> None:
        """Register the session, then accept. A command that is sent before that waits in the transport."""
        try:
            await self._registry.admit(session)
            headers = [] if compression is None else [(_EXTENSIONS, compression)]
            accept = {"type": "websocket.accept", "subprotocol": admitted.subprotocol, "headers": headers}
            await send(accept)
        except BaseException:
            session.closed()
            await self._registry.leave(session)
            raise
        metrics.CONNECTIONS_OPENED.inc()
        self._logged_in(session.connection)
        codes = [code.value for code in admitted.deviations]
        for code in codes:
            metrics.DEVIATIONS.labels(code).inc()
        if codes:
            self.deviations.note(session.connection, [SeenDeviation(code) for code in codes])
        context = _log_context(session.connection)
        _LOG.info("connection_opened", remote=admitted.remote, deviations=codes, **context)

    def ended(self, session: Session, code: int) -> None:
        """End a session whose socket was taken over: no further message will come."""
        session.closed()
        self._background.spawn(self._leave(session, code), "leave")

    async def _leave(self, session: Session, code: int) -> None:
        """Record that a connection has ended."""
        metrics.CONNECTIONS_CLOSED.labels(str(code)).inc()
        _LOG.info("connection_closed", code=code, **_log_context(session.connection))
        self.deviations.count_calls(session.connection)
        await self._registry.leave(session)
        await self._last_seen.write_closed(session.connection, code)

    def _connection(self, admitted: Admitted) -> Connection:
        login = admitted.login
        interval_s = login.heartbeat_interval_s
        return Connection(
            tenant_id=TenantId(login.tenant_id),
            tenant_slug=login.tenant_slug,
            charge_point_id=ChargePointId(login.charge_point_id),
            protocol=self._protocol,
            identity=login.identity,
            connection_id=str(uuid4()),
            epoch=admitted.epoch,
            strict=login.strict_protocol,
            registration_status=login.registration_status,
            heartbeat_interval_s=self._settings.heartbeat_interval_s if interval_s is None else interval_s,
            remote=admitted.remote,
            security_profile=admitted.security_profile,
            client_certificate=admitted.client_certificate,
            subprotocol=admitted.subprotocol,
            connected_at=self._services.clock.now(),
            accepted_before=admitted.accepted_before,
            is_identified=bool(login.vendor and login.model),
            firmware_version=login.firmware_version,
            habits=admitted.habits,
        )


class _SessionEnd:
    """The callback for the end of a socket. One small object for each connection; a `partial` takes four."""

    __slots__ = ("_endpoint", "_session")

    def __init__(self, endpoint: ChargePointEndpoint, session: Session) -> None:
        self._endpoint = endpoint
        self._session = session

    def __call__(self, code: int) -> None:
        """End the session."""
        self._endpoint.ended(self._session, code)


class ChargePointRoute(BaseRoute):
    """The route to the endpoint. It matches the raw path: a decoded one may hold line breaks."""

    def __init__(self, endpoint: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.endpoint = endpoint

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match all requests under the prefix of charge points, and each WebSocket: no other has any.

        So a charge point with a wrong path is told so, and is in the log.
        """
        if scope["type"] == "websocket" or (
            scope["type"] == "http" and belongs_here(_raw_path(scope), scope.get("root_path", ""))
        ):
            return Match.FULL, {"endpoint": self.endpoint}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that matched."""
        await self.endpoint(scope, receive, send)


def _log_context(connection: Connection) -> dict[str, str]:
    return {
        "tenant": connection.tenant_slug,
        "charge_point": connection.identity,
        "connection": connection.connection_id,
    }


async def _pump(receive: Receive, session: Session, transport: AsgiTransport) -> int:
    """Pass messages to the session until the socket is closed. Return the close code."""
    while True:
        message = await receive()
        if message["type"] == "websocket.receive":
            text = message.get("text")
            if text is not None:
                session.receive_text(text)
            else:
                session.receive_binary(message["bytes"])
            readable = transport.readable
            if readable is not None:
                await readable
        else:
            code: int = message.get("code") or close_codes.NO_STATUS
            return code


def _raw_path(scope: Scope) -> bytes:
    raw: bytes | None = scope.get("raw_path")
    return scope["path"].encode() if raw is None else raw


def _handshake(scope: Scope, direct: HandshakeProtocol | None) -> Handshake:
    client = scope.get("client")
    return Handshake(
        raw_path=_raw_path(scope),
        root_path=scope.get("root_path", ""),
        headers=scope["headers"],
        peer=client[0] if client else "",
        is_gone=(lambda: False) if direct is None else (lambda: direct.is_lost),
        security=_security(scope),
    )


def _security(scope: Scope) -> TransportSecurity:
    """Return the protection of a connection. A server that is not ours knows no client certificates."""
    known: TransportSecurity | None = (scope.get("extensions") or {}).get(SECURITY)
    return TransportSecurity(tls=scope.get("scheme") in ("wss", "https")) if known is None else known


async def _deny(scope: Scope, send: Send, denied: Denied) -> None:
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        # The server answers this with 403 and no body.
        await send({"type": "websocket.close", "code": close_codes.POLICY_VIOLATION, "reason": denied.reason})
        return
    start, body = _problem(denied.error, denied.headers)
    await send({"type": "websocket.http.response.start", **start})
    await send({"type": "websocket.http.response.body", "body": body})


async def _answer_http(scope: Scope, send: Send) -> None:
    error = AppError(
        "upgrade_required", 426, "Upgrade required", "Charge points connect here by WebSocket (OCPP-J 1.6)."
    )
    start, body = _problem(error, {"Upgrade": "websocket", "Connection": "Upgrade"})
    await send({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _problem(error: AppError, headers: dict[str, str]) -> tuple[dict[str, Any], bytes]:
    body = orjson.dumps(error.problem())
    fields = {"Content-Type": PROBLEM_MEDIA_TYPE, "Content-Length": str(len(body)), **headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    return {"status": error.status, "headers": raw}, body


def _abort_of(receive: Receive) -> Callable[[], None]:
    """Return a function that ends a connection whose peer does not read.

    ASGI has no message for this, so the function is taken from the server's transport. If that cannot be
    found, the function cancels the task of the connection instead.
    """
    protocol = getattr(receive, "__self__", None)
    abort = getattr(getattr(protocol, "transport", None), "abort", None)
    if callable(abort):
        return abort  # type: ignore[no-any-return]
    task = asyncio.current_task()
    return task.cancel if task is not None else lambda: None  # type: ignore[return-value]
