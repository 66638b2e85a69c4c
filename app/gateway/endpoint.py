"""`/ocpp/{tenant}/{identity}`: the handshake, and a session for each connection.

An ordinary ASGI endpoint decides on the handshake. Under our own protocol class it then takes the socket
itself (`websocket`); under any other ASGI server the messages come through ASGI, slower, to the same session.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import uuid4

import orjson
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app import metrics
from app.connection import Connection
from app.errors import AppError
from app.gateway.admission import Admission, Admitted, Denied, NoSubprotocol
from app.gateway.asgi_transport import AsgiTransport
from app.gateway.handshake import Handshake, agreed_compression
from app.gateway.handshake_protocol import EXTENSION, HandshakeProtocol
from app.gateway.keepalive import Keepalive
from app.gateway.last_seen import LastSeenRecorder
from app.gateway.path import belongs_here
from app.gateway.registry import Registry
from app.gateway.session import Session
from app.gateway.session_services import SessionServices
from app.gateway.sockets import WorkerSockets
from app.gateway.websocket_connection import CLOSE_ABNORMAL, CLOSE_NO_STATUS, WebSocketConnection
from app.logs import get_logger
from app.settings import Settings
from app.tasks import BackgroundTasks
from app.types import ChargePointId, TenantId

log = get_logger(__name__)

CLOSE_PROTOCOL: Final = 1002
"""No common subprotocol (OCPP-J 3.2)."""

_EXTENSIONS = b"sec-websocket-extensions"
_SETTLE_S: Final = 5.0


class ChargePointEndpoint:
    """The ASGI application charge points connect to."""

    def __init__(
        self,
        admission: Admission,
        registry: Registry,
        services: SessionServices,
        last_seen: LastSeenRecorder,
        keepalive: Keepalive,
        sockets: WorkerSockets,
        settings: Settings,
    ) -> None:
        self._keepalive = keepalive
        self._sockets = sockets
        self._background = BackgroundTasks()
        self._admission = admission
        self._registry = registry
        self._services = services
        self._last_seen = last_seen
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket from its handshake to its end; tell a plain HTTP client to upgrade."""
        if scope["type"] == "http":
            await _answer_http(scope, send)
            return
        await receive()
        handshake = _handshake(scope)
        decision = await self._admission.decide(handshake)
        match decision:
            case Denied():
                await _deny(scope, send, decision)
            case NoSubprotocol():
                await send({"type": "websocket.accept"})
                await send(
                    {"type": "websocket.close", "code": CLOSE_PROTOCOL, "reason": "no common subprotocol"}
                )
            case Admitted():
                direct: HandshakeProtocol | None = (scope.get("extensions") or {}).get(EXTENSION)
                if direct is None:
                    await self._serve_asgi(decision, receive, send)
                else:
                    await self._serve_socket(decision, direct, send, handshake.values(_EXTENSIONS))

    async def drain(self) -> None:
        """Wait until connections that have ended are recorded as such."""
        await self._background.drain_within(_SETTLE_S)

    async def _serve_socket(
        self, admitted: Admitted, direct: HandshakeProtocol, send: Send, offered: list[bytes]
    ) -> None:
        """Serve a socket that is given to us: this ends with the handshake, what follows are calls.

        offered: the extensions that the charge point would use.
        """
        websocket = WebSocketConnection(asyncio.get_running_loop())
        compression = agreed_compression(offered) if self._settings.websocket_compression else None
        connection = self._connection(admitted)
        inflates = compression is not None
        session = Session(connection, websocket, self._services, is_framed=True, inflates=inflates)
        await self._open(session, admitted, send, compression)
        direct.switch_to(websocket, session, _SessionEnd(self, session), self._sockets)
        self._keepalive.add(websocket)

    async def _serve_asgi(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        """Serve by ASGI messages, under whatever server: this ends with the connection."""
        transport = AsgiTransport(send, _abort_of(receive))
        session = Session(self._connection(admitted), transport, self._services, is_framed=False)
        await self._open(session, admitted, send)
        transport.open()
        code = CLOSE_ABNORMAL
        try:
            code = await _pump(receive, session, transport)
        finally:
            session.closed()
            transport.closed()
            await self._leave(session, code)

    async def _open(
        self, session: Session, admitted: Admitted, send: Send, compression: bytes | None = None
    ) -> None:
        """Register, then accept: a command sent at once finds its session, and waits in the transport."""
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
        for kind in admitted.deviations:
            metrics.DEVIATIONS.labels(kind).inc()
        context = _log_context(session.connection)
        log.info("connection_opened", remote=admitted.remote, deviations=admitted.deviations, **context)

    def ended(self, session: Session, code: int) -> None:
        """Let go of a session whose socket was handed over: no further message will come."""
        session.closed()
        self._background.spawn(self._leave(session, code), "leave")

    async def _leave(self, session: Session, code: int) -> None:
        """Record that a connection is over."""
        metrics.CONNECTIONS_CLOSED.labels(str(code)).inc()
        log.info("connection_closed", code=code, **_log_context(session.connection))
        await self._registry.leave(session)
        await self._last_seen.write_one(session.connection)

    def _connection(self, admitted: Admitted) -> Connection:
        login = admitted.login
        interval_s = login.heartbeat_interval_s
        return Connection(
            tenant_id=TenantId(login.tenant_id),
            tenant_slug=login.tenant_slug,
            charge_point_id=ChargePointId(login.charge_point_id),
            identity=login.identity,
            connection_id=str(uuid4()),
            epoch=admitted.epoch,
            strict=login.strict_protocol,
            registration_status=login.registration_status,
            heartbeat_interval_s=self._settings.heartbeat_interval_s if interval_s is None else interval_s,
            remote=admitted.remote,
            subprotocol=admitted.subprotocol,
            connected_at=self._services.clock.now(),
            accepted_before=admitted.accepted_before,
        )


class _SessionEnd:
    """What a websocket calls at its end: one small object for each connection, where a partial is four."""

    __slots__ = ("_endpoint", "_session")

    def __init__(self, endpoint: ChargePointEndpoint, session: Session) -> None:
        self._endpoint = endpoint
        self._session = session

    def __call__(self, code: int) -> None:
        """End the session."""
        self._endpoint.ended(self._session, code)


class ChargePointRoute(BaseRoute):
    """Finds the endpoint by the raw path: decoded, a path may hold line breaks that no pattern matches."""

    def __init__(self, endpoint: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.endpoint = endpoint

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match everything under the prefix of charge points, WebSocket or not."""
        if scope["type"] in ("http", "websocket") and belongs_here(
            _raw_path(scope), scope.get("root_path", "")
        ):
            return Match.FULL, {"endpoint": self.endpoint}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        await self.endpoint(scope, receive, send)


def _log_context(connection: Connection) -> dict[str, str]:
    return {
        "tenant": connection.tenant_slug,
        "charge_point": connection.identity,
        "connection": connection.connection_id,
    }


async def _pump(receive: Receive, session: Session, transport: AsgiTransport) -> int:
    """Hand messages to the session until the socket is closed; return the close code."""
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
            code: int = message.get("code") or CLOSE_NO_STATUS
            return code


def _raw_path(scope: Scope) -> bytes:
    raw: bytes | None = scope.get("raw_path")
    return scope["path"].encode() if raw is None else raw


def _handshake(scope: Scope) -> Handshake:
    client = scope.get("client")
    return Handshake(
        raw_path=_raw_path(scope),
        root_path=scope.get("root_path", ""),
        headers=scope["headers"],
        peer=client[0] if client else "",
    )


async def _deny(scope: Scope, send: Send, denied: Denied) -> None:
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        # The server then answers 403 without a body.
        await send({"type": "websocket.close", "code": 1008, "reason": denied.reason})
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
    fields = {"Content-Type": "application/problem+json", "Content-Length": str(len(body)), **headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    return {"status": error.status, "headers": raw}, body


def _abort_of(receive: Receive) -> Callable[[], None]:
    """How to end a connection whose peer does not read: ASGI has no word for it, the server's transport has.

    Where the server's protocol object cannot be found, the task of the connection is cancelled instead.
    """
    protocol = getattr(receive, "__self__", None)
    abort = getattr(getattr(protocol, "transport", None), "abort", None)
    if callable(abort):
        return abort  # type: ignore[no-any-return]
    task = asyncio.current_task()
    return task.cancel if task is not None else lambda: None  # type: ignore[return-value]
