"""One server process: the application behind uvicorn, on a socket that the supervisor opened.

`fork_server` makes it. The channel to the supervisor says `ready` upwards, then gives signs of life; its end,
from above, means that the worker should stop, or that the supervisor is gone: then the worker stops in good
order.
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
"""New objects before a collection: frames make no cycles, so the default of 700 finds nothing, often."""


class WorkerServer(uvicorn.Server):
    """uvicorn, which reports to its supervisor."""

    def __init__(self, config: uvicorn.Config, channel: socket.socket) -> None:
        super().__init__(config)
        self._channel = channel
        # A supervisor that does not read must not hold the event loop up.
        channel.setblocking(False)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, then say so."""
        await super().startup(sockets)
        if self.started:
            _freeze_collector()
            asyncio.get_running_loop().add_reader(self._channel, self._stop)
            self._send(READY)

    def _send(self, word: bytes) -> None:
        # Nobody is there any more: `_stop` is called next. No room: there are signs enough to read.
        with contextlib.suppress(ConnectionError, BlockingIOError):
            self._channel.send(word)
        # By the event loop, also while the worker stops: one that is stuck shall fall silent, no other.
        asyncio.get_running_loop().call_later(HEARTBEAT_PERIOD_S, self._send, HEARTBEAT)

    def _stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._channel)
        # At once: the supervisor may be gone, and the next server needs the port.
        for server in self.servers:
            server.close()
        self.should_exit = True


def _freeze_collector() -> None:
    """What start-up made stays for good: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def make_config(settings: Settings) -> uvicorn.Config:
    """uvicorn's configuration; what sockets need comes from the gateway."""
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
    """Serve until a signal, or until the channel says that it is enough."""
    server = WorkerServer(config, channel)
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)
