"""The charge-point edge of one worker, put together: what the composition root needs, and nothing else."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.answers import Handler
from app.charge_points.credentials import Credentials
from app.clock import Clock
from app.gateway.admission import Admission
from app.gateway.dispatch import Dispatcher
from app.gateway.endpoint import ChargePointEndpoint, ChargePointRoute
from app.gateway.http_protocol import ChargePointHttpProtocol
from app.gateway.keepalive import Keepalive
from app.gateway.last_seen import LastSeenRecorder
from app.gateway.registry import Registry
from app.gateway.session import CLOSE_GOING_AWAY, Session
from app.gateway.session_services import CommandResults, SessionLimits, SessionServices
from app.gateway.sockets import WorkerSockets
from app.gateway.ticker import CallDeadlines, Ticker
from app.metrics import CALL_SECONDS
from app.ocpp import Tally
from app.settings import Settings
from app.storage import Storage


class Gateway:
    """Everything behind `/ocpp/`. `route` goes into the application; `start`, then `close`."""

    def __init__(
        self,
        *,
        storage: Storage,
        commands: CommandResults,
        registry: Registry,
        credentials: Credentials,
        clock: Clock,
        settings: Settings,
        handlers: Mapping[str, Handler],
    ) -> None:
        """handlers: by action, those of all capabilities."""
        self._registry = registry
        self._last_seen = LastSeenRecorder(storage.connection_batcher)
        deadlines = CallDeadlines()
        tally = Tally(CALL_SECONDS.bounds_s)
        self.services = SessionServices(
            ledger=storage.ledger,
            frame_log=storage.frame_log,
            dispatcher=Dispatcher(handlers),
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
            tally=tally,
            watcher=deadlines,
            call_later=_call_later,
        )
        self._ticker = Ticker(deadlines, tally, self._last_seen, registry, clock)
        admission = Admission(storage.database, storage.connection_batcher, credentials, clock, settings)
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
        await self.endpoint.drain()
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
