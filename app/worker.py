"""One server process: the application behind uvicorn, on a socket that the supervisor opened.

`supervisor` starts it as `python -m app.worker`. The channel between the two says `ready` upwards; its end,
from above, means that the supervisor is gone, and then the worker stops in good order.
"""

import asyncio
import gc
import socket
import sys
from typing import Any

import uvicorn

from app.gateway.edge import server_options
from app.settings import Settings, SettingsError, load_settings

READY = b"r"
GRACE_S = 10
"""Seconds that requests may take to end when the server stops."""
_BACKLOG = 4096
_COLLECT_AFTER = 20_000
"""New objects before a collection: frames make no cycles, so the default of 700 finds nothing, often."""


class WorkerServer(uvicorn.Server):
    """uvicorn, which reports to its supervisor."""

    def __init__(self, config: uvicorn.Config, channel: socket.socket) -> None:
        super().__init__(config)
        self._channel = channel

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, then say so."""
        await super().startup(sockets)
        if self.started:
            _spare_collector()
            asyncio.get_running_loop().add_reader(self._channel, self._supervisor_is_gone)
            self._channel.send(READY)

    def _supervisor_is_gone(self) -> None:
        asyncio.get_running_loop().remove_reader(self._channel)
        # Nobody restarts this process any more, and the next server needs the port.
        for server in self.servers:
            server.close()
        self.should_exit = True


def _spare_collector() -> None:
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


def main() -> None:
    """Serve until a signal, or until the supervisor is gone. Arguments: two inherited file descriptors."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    channel = socket.socket(fileno=int(sys.argv[2]))
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"stationmaster: {error}")
    server = WorkerServer(make_config(settings), channel)
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
