"""Builds the gateway of one worker: everything that serves the connections of charge points."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from app import close_codes
from app.answers import Handler, RecordHandler
from app.charge_points.credentials import Credentials
from app.clock import Clock
from app.connection import Connection
from app.deviations.recorder import DeviationRecorder
from app.gateway.admission import Admission, AdmissionParts
from app.gateway.anonymous_connections import AnonymousConnections, AnonymousLimits
from app.gateway.client_trust import ClientTrust, TenantTrust
from app.gateway.dispatch import Dispatcher
from app.gateway.endpoint import ChargePointEndpoint, ChargePointRoute, EndpointParts
from app.gateway.http_protocol import ChargePointHttpProtocol
from app.gateway.keepalive import Keepalive
from app.gateway.last_seen import LastSeenRecorder
from app.gateway.limiter import parse_networks
from app.gateway.registry import Registry
from app.gateway.session import Session
from app.gateway.session_services import CommandResults, SessionLimits, SessionServices
from app.gateway.sockets import WorkerSockets
from app.gateway.tenant_quotas import TenantQuotas, spread
from app.gateway.ticker import CallDeadlines, Ticker
from app.live.shared_buckets import SharedBuckets
from app.login_attempts.recorder import RefusedLogins
from app.login_attempts.records import RefusedLogin
from app.ocpp import Protocol
from app.settings import Settings
from app.storage import Storage
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """The collaborators of the gateway.

    logged_in: told of each connection that was opened; login_refused: told of each refused login;
    buckets: those of failed logins that all workers share; handlers, record_handlers: by action,
    those of all capabilities; has_ended: tells whether a connection may not go on; quota_reached: told of a
    tenant and its quota; tenant_trust: which client certificates tenants trust, None: none.
    """

    protocol: Protocol
    storage: Storage
    commands: CommandResults
    registry: Registry
    logged_in: Callable[[Connection], None]
    login_refused: Callable[[RefusedLogin], None]
    buckets: SharedBuckets
    credentials: Credentials
    clock: Clock
    settings: Settings
    handlers: Mapping[str, Handler]
    record_handlers: Mapping[str, RecordHandler]
    has_ended: Callable[[Connection], bool] = lambda _: False
    quota_reached: Callable[[TenantId, str], None] = lambda _, __: None
    tenant_trust: TenantTrust | None = None


class Gateway:
    """Serves `/ocpp/`. Add `route` to the application, then call `start`, and `close` at the end."""

    def __init__(self, parts: GatewayParts) -> None:
        settings = parts.settings
        self.client_trust = ClientTrust(settings, parts.tenant_trust)
        self._registry = parts.registry
        self._tell_login = parts.logged_in
        self._has_ended = parts.has_ended
        self._refused = RefusedLogins(parts.storage.database, parts.login_refused)
        self._last_seen = LastSeenRecorder(parts.storage.login_batcher)
        self._deviations = DeviationRecorder(parts.storage.database, parts.clock, self._connections)
        deadlines = CallDeadlines()
        quotas = TenantQuotas(settings, parts.clock, parts.storage.frame_log.buffer, parts.quota_reached)
        self.services = _session_services(parts, deadlines, quotas, self._deviations)
        self._ticker = Ticker(
            deadlines, quotas, self._last_seen, parts.registry, parts.clock, self._slow_down
        )
        self._keepalive = Keepalive(settings.ping_interval_s, settings.ping_timeout_s)
        self._sockets = WorkerSockets()
        endpoint_parts = EndpointParts(
            protocol=parts.protocol,
            admission=Admission(_admission_parts(parts, self._refused, self.client_trust), settings),
            registry=parts.registry,
            services=self.services,
            last_seen=self._last_seen,
            keepalive=self._keepalive,
            sockets=self._sockets,
            refused=self._refused,
            logged_in=self._logged_in,
        )
        self.endpoint = ChargePointEndpoint(endpoint_parts, settings)
        self.route = ChargePointRoute(self.endpoint)

    async def start(self) -> None:
        """Start the periodic tasks, and serve sockets."""
        self._sockets.start()
        self.client_trust.changed = self._close_distrusted
        self._ticker.start()
        self._keepalive.start()
        self._refused.start()
        self._deviations.start()

    async def close(self) -> None:
        """Close every session with 1001, then stop. The server does not accept connections any longer."""
        sessions = [session for session in self._registry.sessions() if isinstance(session, Session)]
        for session in sessions:
            session.close(close_codes.GOING_AWAY, "the server is going away")
        await self.endpoint.drain()
        await self._last_seen.write([session.connection for session in sessions])
        await self._refused.close()
        await self._deviations.close()
        await self._keepalive.close()
        await self._ticker.close()
        self._sockets.close()

    def close_ended(self, has_ended: Callable[[Connection], bool]) -> None:
        """Close the connections that may not go on."""
        for session in self._registry.sessions():
            if isinstance(session, Session) and has_ended(session.connection):
                session.close(close_codes.POLICY_VIOLATION, "the access has ended")

    def _slow_down(self, tenant_id: TenantId, seconds: float) -> None:
        sessions = [
            session
            for session in self._registry.sessions()
            if isinstance(session, Session) and session.connection.tenant_id == tenant_id
        ]
        for session, pause_s in zip(sessions, spread(seconds, len(sessions)), strict=True):
            session.slow_down(pause_s)

    def _logged_in(self, connection: Connection) -> None:
        self._tell_login(connection)
        # Its certificate may have been revoked, or its access may have ended, while the login was judged.
        session = self._registry.get(connection.tenant_id, connection.identity)
        if session is not None:
            self._close_if_distrusted(session)
        if isinstance(session, Session) and self._has_ended(session.connection):
            session.close(close_codes.POLICY_VIOLATION, "the access has ended")

    def _close_distrusted(self) -> None:
        """Close the connections whose client certificate is not trusted any longer (A00.FR.407)."""
        for session in self._registry.sessions():
            self._close_if_distrusted(session)

    def _close_if_distrusted(self, session: object) -> None:
        if not isinstance(session, Session):
            return
        connection, certificate = session.connection, session.connection.client_certificate
        if certificate is None or self.client_trust.is_trusted(connection.tenant_id, certificate):
            return
        session.close(close_codes.POLICY_VIOLATION, "the certificate is revoked")

    def _connections(self) -> Iterator[Connection]:
        return (session.connection for session in self._registry.sessions())


def server_options(settings: Settings) -> dict[str, Any]:
    """Return the options of `uvicorn.Config` that the gateway relies on.

    `http` is uvicorn's own protocol, except that handshakes of charge points leave it, and that requests have
    limits. `ws` serves any other WebSocket.
    """
    limits = AnonymousLimits(
        per_address=settings.anonymous_connections_per_address,
        requests_per_minute=settings.anonymous_requests_per_minute,
        connections=settings.anonymous_connections,
        held_bytes=settings.anonymous_bytes,
        accepts_per_s=settings.accepts_per_s,
        proxies=parse_networks(settings.trusted_proxies),
    )
    return {
        "ws": "websockets-sansio",
        "loop": "uvloop",
        "http": partial(ChargePointHttpProtocol, anonymous=AnonymousConnections(limits)),
        # uvicorn trusts X-Forwarded-For from any process on the loopback. Here `trusted_proxies` decides.
        "proxy_headers": False,
        "ws_max_size": settings.frame_limit_bytes,
        "ws_ping_interval": settings.ping_interval_s,
        "ws_ping_timeout": settings.ping_timeout_s,
        # Only for connections that stay with uvicorn. The setting `websocket_compression` is for ours.
        "ws_per_message_deflate": False,
    }


def _admission_parts(parts: GatewayParts, refused: RefusedLogins, trust: ClientTrust) -> AdmissionParts:
    return AdmissionParts(
        database=parts.storage.database,
        logins=parts.storage.login_batcher,
        credentials=parts.credentials,
        refused=refused,
        buckets=parts.buckets,
        clock=parts.clock,
        quirks=parts.storage.quirks,
        pause_of=parts.registry.pause_s,
        is_held=parts.registry.is_held,
        verify=trust.verify,
    )


def _session_services(
    parts: GatewayParts, deadlines: CallDeadlines, quotas: TenantQuotas, deviations: DeviationRecorder
) -> SessionServices:
    return SessionServices(
        ledger=parts.storage.ledger,
        frame_log=parts.storage.frame_log,
        dispatcher=Dispatcher(parts.protocol, parts.handlers, parts.record_handlers),
        commands=parts.commands,
        deviations=deviations,
        clock=parts.clock,
        limits=_limits_of(parts.settings),
        quotas=quotas,
        watch_deadlines=deadlines.sessions.add,
        call_later=_call_later,
    )


def _limits_of(settings: Settings) -> SessionLimits:
    return SessionLimits(
        frame_bytes=settings.frame_limit_bytes,
        frame_unregistered_bytes=settings.frame_limit_unregistered_bytes,
        inbound_queue=settings.inbound_queue_limit,
        rate_per_s=settings.rate_per_s,
        rate_burst=settings.rate_burst,
        command_queue=settings.command_queue_limit,
    )


def _call_later(seconds: float, callback: Any) -> object:
    return asyncio.get_running_loop().call_later(seconds, callback)
