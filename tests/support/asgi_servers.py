"""The servers that can run the application, by name.

With `ours` the core has the sockets. With `ours under TLS` our byte path uses the transport of the loop. The
others know only ASGI.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final

import hypercorn.asyncio
import hypercorn.config
import trustme
from fastapi import FastAPI
from granian.constants import Interfaces
from granian.server.embed import Server

from app.settings import Settings
from tests.support.gateway import serve, serve_by_uvicorn
from tests.support.raw_client import WAIT_S
from tests.support.tls import serve_tls

Serving = Callable[[FastAPI, Settings], AbstractAsyncContextManager[int]]
"""Runs an application on a free port, which it yields."""


def _announcing(app: FastAPI, started: asyncio.Event) -> Any:
    """Wrap the application, so that it tells when it is ready."""

    async def announcing(scope: Any, receive: Any, send: Any) -> None:
        async def send_and_tell(message: Any) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                started.set()

        await app(scope, receive, send_and_tell if scope["type"] == "lifespan" else send)

    return announcing


@contextlib.asynccontextmanager
async def _hypercorn(app: FastAPI, settings: Settings) -> AsyncIterator[int]:
    started, ending = asyncio.Event(), asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = hypercorn.config.Config()
    # The server closes it.
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "CRITICAL"
    config.websocket_max_message_size = settings.frame_limit_bytes
    config.graceful_timeout = 1.0
    serving = hypercorn.asyncio.serve(_announcing(app, started), config, shutdown_trigger=ending.wait)
    task = asyncio.create_task(serving)
    try:
        await asyncio.wait_for(started.wait(), WAIT_S)
        yield port
    finally:
        ending.set()
        await task


@contextlib.asynccontextmanager
async def _granian(app: FastAPI, settings: Settings) -> AsyncIterator[int]:
    started = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    # The package has no types.
    server: Any = Server(_announcing(app, started), port=port, interface=Interfaces.ASGI, log_enabled=False)
    task = asyncio.create_task(server.serve())
    try:
        await asyncio.wait_for(started.wait(), WAIT_S)
        await _accepting(port)
        yield port
    finally:
        server.stop()
        await task


async def _accepting(port: int) -> None:
    """Wait for a server that runs in another thread."""
    async with asyncio.timeout(WAIT_S):
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.01)


_AUTHORITY: Final = trustme.CA()
_CERTIFICATE: Final = _AUTHORITY.issue_cert("127.0.0.1")


@contextlib.asynccontextmanager
async def _under_tls(app: FastAPI, settings: Settings) -> AsyncIterator[int]:
    with _CERTIFICATE.private_key_and_cert_chain_pem.tempfile() as pem:
        async with serve_by_uvicorn(app, settings, ssl_certfile=pem) as port:
            yield port


@contextlib.asynccontextmanager
async def _tls_of_the_core(app: FastAPI, settings: Settings) -> AsyncIterator[int]:
    with _CERTIFICATE.private_key_and_cert_chain_pem.tempfile() as pem:
        changed = settings.model_copy(update={"tls_port": 0, "tls_certificates": [pem]})
        async with serve_tls(app, changed) as (_, port, _):
            yield port


def client_context() -> ssl.SSLContext:
    """Return the TLS settings of a charge point that trusts the server."""
    context = ssl.create_default_context()
    _AUTHORITY.configure_trust(context)
    return context


SERVERS: Final[dict[str, Serving]] = {
    "ours": serve,
    "ours under TLS": _under_tls,
    "TLS of the core": _tls_of_the_core,
    "websockets-sansio": partial(serve_by_uvicorn, http="httptools", ws="websockets-sansio"),
    "wsproto": partial(serve_by_uvicorn, http="httptools", ws="wsproto"),
    "hypercorn": _hypercorn,
    "granian": _granian,
}

NOT_UTF_8: Final = {
    "websockets-sansio": "close 1007",
    # These end the connection without a reason if a text is not UTF-8.
    "wsproto": "the end",
    "hypercorn": "the end",
    # Its WebSocket layer reports a general error, and the close frame after it has no code.
    "granian": "close without a code",
}
"""How a server ends a connection with text that is not UTF-8, which our byte path reads."""
