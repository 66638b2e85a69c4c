"""Servers that can run the application, by name: the first has our byte path, the others know only ASGI."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final, cast

import hypercorn.asyncio
import hypercorn.config
from fastapi import FastAPI

from app.settings import Settings
from tests.gateway.conftest import serve
from tests.gateway.raw_client import WAIT_S

Serving = Callable[[FastAPI, Settings], AbstractAsyncContextManager[int]]
"""Runs an application on a free port, which it yields."""


@contextlib.asynccontextmanager
async def _hypercorn(app: FastAPI, settings: Settings) -> AsyncIterator[int]:
    started, ending = asyncio.Event(), asyncio.Event()

    async def announcing(scope: Any, receive: Any, send: Any) -> None:
        async def send_and_tell(message: Any) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                started.set()

        await app(scope, receive, send_and_tell if scope["type"] == "lifespan" else send)

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = hypercorn.config.Config()
    # The server closes it.
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "CRITICAL"
    config.websocket_max_message_size = settings.frame_limit_bytes
    config.graceful_timeout = 1.0
    serving = hypercorn.asyncio.serve(cast(Any, announcing), config, shutdown_trigger=ending.wait)
    task = asyncio.create_task(serving)
    try:
        await asyncio.wait_for(started.wait(), WAIT_S)
        yield port
    finally:
        ending.set()
        await task


SERVERS: Final[dict[str, Serving]] = {
    "wire": serve,
    "websockets-sansio": partial(serve, http="httptools", ws="websockets-sansio"),
    "wsproto": partial(serve, http="httptools", ws="wsproto"),
    "hypercorn": _hypercorn,
}

SILENT: Final = frozenset({"wsproto", "hypercorn"})
"""They end the connection of who sends text that is not UTF-8, and do not say why."""
