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
from app.gateway.ticker import CallDeadlines, Ticker
from app.login_attempts.recorder import RefusedLogins
from app.metrics import CALL_SECONDS
from app.ocpp import Counters, Protocol
from app.settings import Settings
from app.storage import Storage


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """The collaborators of the gateway.

    logged_in: told of each connection that was opened; handlers, record_handlers: by action, those of all
    capabilities.
    """

    protocol: Protocol
    storage: Storage
    commands: CommandResults
    registry: Registry
    logged_in: Callable[[Connection], None]
    credentials: Credentials
    clock: Clock
    settings: Settings
    handlers: Mapping[str, Handler]
    record_handlers: Mapping[str, RecordHandler]


class Gateway:
    """Serves `/ocpp/`. Add `route` to the application, then call `start`, and `close` at the end."""

    def __init__(self, parts: GatewayParts) -> None:
        settings = parts.settings
        self._registry = parts.registry
        self._refused = RefusedLogins(parts.storage.database)
        self._last_seen = LastSeenRecorder(parts.storage.login_batcher)
        self._deviations = DeviationRecorder(parts.storage.database, parts.clock, self._connections)
        deadlines = CallDeadlines()
        counters = Counters(CALL_SECONDS.bounds_s)
        self.services = _session_services(parts, deadlines, counters, self._deviations)
        self._ticker = Ticker(deadlines, counters, self._last_seen, parts.registry, parts.clock)
        self._keepalive = Keepalive(settings.ping_interval_s, settings.ping_timeout_s)
        self._sockets = WorkerSockets()
        endpoint_parts = EndpointParts(
            protocol=parts.protocol,
            admission=Admission(_admission_parts(parts, self._refused), settings),
            registry=parts.registry,
            services=self.services,
            last_seen=self._last_seen,
            keepalive=self._keepalive,
            sockets=self._sockets,
            refused=self._refused,
            logged_in=parts.logged_in,
        )
        self.endpoint = ChargePointEndpoint(endpoint_parts, settings)
        self.route = ChargePointRoute(self.endpoint)

    async def start(self) -> None:
        """Start the periodic tasks, and serve sockets."""
        self._sockets.start()
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

    def _connections(self) -> Iterator[Connection]:
        return (session.connection for session in self._registry.sessions())


def server_options(settings: Settings) -> dict[str, Any]:
    """Return the options of `uvicorn.Config` that the gateway relies on.

    `http` is uvicorn's own protocol, except that handshakes of charge points leave it, and that requests have
    limits. `ws` serves any other WebSocket.
    """
    limits = AnonymousLimits(
        per_address=settings.anonymous_connections_per_address,
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


def _admission_parts(parts: GatewayParts, refused: RefusedLogins) -> AdmissionParts:
    return AdmissionParts(
        database=parts.storage.database,
        logins=parts.storage.login_batcher,
        credentials=parts.credentials,
        refused=refused,
        clock=parts.clock,
        quirks=parts.storage.quirks,
        pause_of=parts.registry.pause_s,
    )


def _session_services(
    parts: GatewayParts, deadlines: CallDeadlines, counters: Counters, deviations: DeviationRecorder
) -> SessionServices:
    return SessionServices(
        ledger=parts.storage.ledger,
        frame_log=parts.storage.frame_log,
        dispatcher=Dispatcher(parts.protocol, parts.handlers, parts.record_handlers),
        commands=parts.commands,
        deviations=deviations,
        clock=parts.clock,
        limits=_limits_of(parts.settings),
        counters=counters,
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
