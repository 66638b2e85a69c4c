"""Servers that echo, one for each implementation of WebSocket framing that is compared."""

import asyncio
import contextlib
import logging
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import uvicorn

from app.gateway.handshake_protocol import EXTENSION, HandshakeProtocol
from app.gateway.http_protocol import ChargePointHttpProtocol
from app.gateway.sockets import WorkerSockets
from app.gateway.transport import ByteTransport, Receiver
from app.gateway.websocket_connection import WebSocketConnection
from app.ocpp import Deframer, text_frame
from tests.gateway.websocket.cases import Limits, frame_bytes, read_limits
from tests.support.prompt_server import PromptServer


@dataclass(frozen=True)
class Implementation:
    """How uvicorn is told to frame.

    lags: messages are queued for a task, and a close overtakes them.
    silent: the socket of a peer that broke a rule is closed without a close frame.
    has_sockets: the core reads and writes the socket itself.
    """

    ws: Any = "websockets-sansio"
    http: Any = "httptools"
    lags: bool = True
    silent: bool = False
    has_sockets: bool = False


IMPLEMENTATIONS: Final = {
    "sockets": Implementation(http=ChargePointHttpProtocol, lags=False, has_sockets=True),
    "transport": Implementation(http=ChargePointHttpProtocol, lags=False),
    "websockets-sansio": Implementation(),
    "websockets": Implementation("websockets"),
    "wsproto": Implementation("wsproto", silent=True),
}
"""By name. To compare another one, add it here."""


@contextlib.asynccontextmanager
async def serving(implementation: Implementation, limits: Limits) -> AsyncIterator[int]:
    """Serve the echo on a port of its own, and yield the port."""
    sockets = WorkerSockets()
    if implementation.has_sockets:
        sockets.start()
    with warnings.catch_warnings():
        # The implementation named `websockets` is an old one, and says so.
        warnings.simplefilter("ignore")
        config = uvicorn.Config(
            _Echo(sockets),
            ws=implementation.ws,
            http=implementation.http,
            ws_max_size=limits.message_bytes,
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,
        )
        config.load()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        server = PromptServer(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.ending.set()
            await running
            sockets.close()


class _Echo:
    """The application. sockets: those that were not started leave a connection to its transport."""

    def __init__(self, sockets: WorkerSockets) -> None:
        self._sockets = sockets

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        protocol: HandshakeProtocol | None = (scope.get("extensions") or {}).get(EXTENSION)
        if protocol is not None:
            wire = _EchoConnection(asyncio.get_running_loop())
            protocol.switch_to(wire, wire, lambda code: None, self._sockets)
            return
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})


class _EchoConnection(WebSocketConnection):
    """Is its own receiver. It sends no binary messages, because charge points understand none."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        limits = read_limits()
        self.reader = Deframer(limits.message_bytes, limits.fragments)

    def start(
        self,
        transport: ByteTransport,
        receiver: Receiver,
        ended: Callable[[int], None],
        on_lost: Callable[[WebSocketConnection], None],
    ) -> None:
        self._write = transport.write
        super().start(transport, receiver, ended, on_lost)

    def handle(self, found: Any) -> None:
        if isinstance(found, str):
            self.write(text_frame(found))
        else:
            self._write(frame_bytes({"opcode": "binary", "payload_hex": found.hex(), "masked": False}))
