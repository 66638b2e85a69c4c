"""One worker process: the application behind uvicorn, on a socket that the supervisor opened.

`fork_server` forks it. It sends READY and then heartbeats on the channel to the supervisor. When the channel
ends, the supervisor wants it to stop or is gone itself. Then the worker finishes its requests and exits.
"""

import asyncio
import contextlib
import gc
import socket
import sys
from typing import Any

import uvicorn

from app.gateway.gateway import server_options
from app.server.channel import GRACE_S, HEARTBEAT, HEARTBEAT_PERIOD_S, READY
from app.settings import Settings

_BACKLOG = 4096
_COLLECT_AFTER = 20_000
"""New objects before a garbage collection. Frames make no reference cycles, so collections find little."""


class WorkerServer(uvicorn.Server):
    """A uvicorn server that reports to the supervisor."""

    def __init__(self, config: uvicorn.Config, channel: socket.socket) -> None:
        super().__init__(config)
        self._channel = channel
        # A supervisor that does not read must not block the event loop.
        channel.setblocking(False)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, then send READY."""
        await super().startup(sockets)
        if self.started:
            _freeze_collector()
            asyncio.get_running_loop().add_reader(self._channel, self._stop)
            self._send(READY)

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


def serve(config: uvicorn.Config, listener: socket.socket, channel: socket.socket) -> None:
    """Serve until a signal comes, or until the channel ends."""
    server = WorkerServer(config, channel)
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)
