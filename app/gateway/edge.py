"""The charge-point edge of one worker, put together: what the composition root needs, and nothing else."""

import asyncio
from typing import Any

from app.clock import Clock
from app.csms.credentials import Credentials
from app.csms.dispatch import Dispatcher
from app.csms.handlers.context import HandlerContext
from app.gateway.admission import Admission
from app.gateway.endpoint import ChargePointEndpoint, ChargePointRoute
from app.gateway.http_protocol import ChargePointHttpProtocol
from app.gateway.keepalive import Keepalive
from app.gateway.registry import Registry
from app.gateway.session import CLOSE_GOING_AWAY, Session
from app.gateway.session_services import CommandResults, SessionLimits, SessionServices
from app.gateway.sockets import WorkerSockets
from app.gateway.ticker import Deadlines, LastSeen, Ticker
from app.metrics import CALL_SECONDS
from app.ocpp import Counters
from app.settings import Settings
from app.store.database import Database


class Gateway:
    """Everything behind `/ocpp/`. `route` goes into the application; `start`, then `close`."""

    def __init__(
        self,
        *,
        database: Database,
        commands: CommandResults,
        registry: Registry,
        credentials: Credentials,
        clock: Clock,
        settings: Settings,
        dispatcher: Dispatcher | None = None,
    ) -> None:
        """dispatcher: another table of handlers, for tests."""
        self._registry = registry
        self._last_seen = LastSeen(database)
        deadlines = Deadlines()
        counters = Counters(CALL_SECONDS.bounds_s)
        self.services = SessionServices(
            database=database,
            dispatcher=dispatcher or Dispatcher(HandlerContext(database, clock, settings)),
            commands=commands,
            clock=clock,
            limits=SessionLimits(
                frame_bytes=settings.frame_limit_bytes,
                frame_unregistered_bytes=settings.frame_limit_unregistered_bytes,
                inbound_queue=settings.inbound_queue_limit,
                rate_per_s=settings.rate_per_s,
                rate_burst=settings.rate_burst,
                command_queue=settings.command_queue_limit,
            ),
            counters=counters,
            watcher=deadlines,
            call_later=_call_later,
        )
        self._ticker = Ticker(deadlines, counters, self._last_seen, registry, clock)
        admission = Admission(database, credentials, clock, settings)
        self._keepalive = Keepalive(settings.ping_interval_s, settings.ping_timeout_s)
        self._sockets = WorkerSockets()
        self.endpoint = ChargePointEndpoint(
            admission, registry, self.services, self._last_seen, self._keepalive, self._sockets, settings
        )
        self.route = ChargePointRoute(self.endpoint)

    async def start(self) -> None:
        """Start what runs by the clock, and serve sockets."""
        self._sockets.start()
        self._ticker.start()
        self._keepalive.start()

    async def close(self) -> None:
        """Close every session with 1001 and stop the ticker; the server has stopped accepting before."""
        sessions = [session for session in self._registry.sessions() if isinstance(session, Session)]
        for session in sessions:
            session.close(CLOSE_GOING_AWAY, "the server is going away")
        await self.endpoint.settle()
        await self._last_seen.write([session.connection for session in sessions])
        await self._keepalive.close()
        await self._ticker.close()
        self._sockets.close()


def server_options(settings: Settings) -> dict[str, Any]:
    """Options for `uvicorn.Config` that the gateway relies on.

    http: httptools, and the handshakes of charge points, which leave uvicorn then.
    ws: for any other WebSocket, and for handshakes that are to be refused for their form.
    """
    return {
        "ws": "websockets-sansio",
        "loop": "uvloop",
        "http": ChargePointHttpProtocol,
        # uvicorn would believe X-Forwarded-For of anyone on the loopback; `trusted_proxies` decides here.
        "proxy_headers": False,
        "ws_max_size": settings.frame_limit_bytes,
        "ws_ping_interval": settings.ping_interval_s,
        "ws_ping_timeout": settings.ping_timeout_s,
        # Charge points that are handed over may have it, see `websocket_compression`; nobody else needs it.
        "ws_per_message_deflate": False,
    }


def _call_later(seconds: float, callback: Any) -> object:
    return asyncio.get_running_loop().call_later(seconds, callback)
