"""One worker process: the application behind uvicorn, on sockets that the supervisor opened.

`fork_server` forks it. It sends READY and then heartbeats on the channel to the supervisor. When the channel
ends, the supervisor wants it to stop or is gone itself. Then the worker finishes its requests and exits.
Metrics go through a socket of their own (`app.scraping`).
"""

import asyncio
import contextlib
import gc
import socket
import sys
from typing import Any

import uvicorn

from app.events.streams import END_STREAMS
from app.gateway.gateway import server_options
from app.metrics import WORKER_STARTS, WORKERS
from app.scraping.exchange import EXCHANGE, MetricExchange
from app.server.acceptors import Acceptors
from app.server.channel import GRACE_S, HEARTBEAT, HEARTBEAT_PERIOD_S, READY, InheritedSockets
from app.server.drain import drain
from app.settings import Settings

_BACKLOG = 4096
_COLLECT_AFTER = 20_000
"""New objects before a garbage collection. Frames make no reference cycles, so collections find little."""


class WorkerServer(uvicorn.Server):
    """A uvicorn server that reports to the supervisor, and whose connections are accepted by ours."""

    def __init__(
        self,
        config: uvicorn.Config,
        channel: socket.socket,
        acceptors: Acceptors | None = None,
        exchange: MetricExchange | None = None,
        drain_s: float = 0.0,
    ) -> None:
        """drain_s: seconds over which the sockets of charge points are closed at the end."""
        super().__init__(config)
        self._drain_s = drain_s
        self._acceptors = acceptors
        self._exchange = exchange
        self._channel = channel
        # A supervisor that does not read must not block the event loop.
        channel.setblocking(False)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, then send READY. sockets: none, because the acceptors have them."""
        if self._exchange is not None:
            WORKERS.set(1)
            WORKER_STARTS.inc()
            await self._exchange.start()
            # Before the first request, which would see the metrics of this worker alone.
            self.lifespan.state[EXCHANGE] = self._exchange
        await super().startup(sockets)
        if self.started:
            if self._acceptors is not None:
                self._acceptors.start(self, _BACKLOG)
            _freeze_collector()
            asyncio.get_running_loop().add_reader(self._channel, self._stop)
            self._send(READY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as uvicorn does, but close the sockets of charge points at a rate.

        Sockets of TLS are closed last, when all that was written is sent.
        """
        # uvicorn waits for answers, and a stream of events never ends by itself.
        if (end_streams := self.lifespan.state.get(END_STREAMS)) is not None:
            end_streams()
        if self._acceptors is not None:
            self._acceptors.stop()
        for server in self.servers:
            server.close()
        await drain(self.server_state.connections, self._drain_s)
        await super().shutdown(sockets)
        if self._acceptors is not None:
            self._acceptors.close()
        if self._exchange is not None:
            await self._exchange.close()

    def _send(self, word: bytes) -> None:
        # ConnectionError: the supervisor is gone, and `_stop` is called next. BlockingIOError: enough
        # heartbeats wait to be read.
        with contextlib.suppress(ConnectionError, BlockingIOError):
            self._channel.send(word)
        # The event loop sends them, also while the worker stops. So exactly a hanging worker sends none.
        asyncio.get_running_loop().call_later(HEARTBEAT_PERIOD_S, self._send, HEARTBEAT)

    def _stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._channel)
        # Stop listening at once: the supervisor may be gone, and the next server needs the port.
        for server in self.servers:
            server.close()
        if self._acceptors is not None:
            self._acceptors.stop()
        self.should_exit = True


def _freeze_collector() -> None:
    """Exclude the objects of start-up from garbage collections, because they stay until the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def make_config(settings: Settings) -> uvicorn.Config:
    """Return the configuration of uvicorn. The gateway adds what its sockets need."""
    options: dict[str, Any] = {
        "factory": True,
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "backlog": _BACKLOG,
        "timeout_graceful_shutdown": GRACE_S,
    }
    return uvicorn.Config("app.main:application", **{**options, **server_options(settings)})


def serve(config: uvicorn.Config, settings: Settings, sockets: InheritedSockets) -> None:
    """Serve until a signal comes, or until the channel ends."""
    plain, *tls = sockets.accepting
    acceptors = Acceptors(settings, plain, tls)
    exchange = MetricExchange(sockets.metrics)
    server = WorkerServer(config, sockets.channel, acceptors, exchange, settings.drain_s)
    server.run(sockets=[])
    if not server.started:
        sys.exit(1)
