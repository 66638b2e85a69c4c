"""The sockets of a worker's charge points, which the core reads and writes by itself.

The event loop watches one descriptor for all of them. Messages that need Python go to the
`WebSocketConnection` of their socket, and everything that goes out is sent once per turn of the event loop.
Connections under TLS are here from the beginning: the core does their handshake (`acceptor`).
"""

import asyncio
import contextlib
import os
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Final

from app.gateway.core_transport import CoreTransport
from app.gateway.transport import ByteTransport, Reader
from app.logs import get_logger
from app.ocpp import Socket, Sockets, TlsContext

_NOT_SENT_LIMIT: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_NOT_SENT_BYTES: Final = 131_072
"""Bytes for a client that may wait in the kernel."""

_LOG = get_logger(__name__)


def limit_unsent(connected: socket.socket | TransportSocket) -> None:
    """Let little wait in the kernel for a slow client, which would else seem to make no progress."""
    if _NOT_SENT_LIMIT is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.IPPROTO_TCP, _NOT_SENT_LIMIT, _NOT_SENT_BYTES)


class WorkerSockets:
    """The sockets that were taken over from the event loop of this worker."""

    def __init__(self) -> None:
        self._sockets: Sockets | None = None
        self._stop_watching: Callable[[], object] | None = None

    def start(self) -> None:
        """Serve from now on, in the running loop."""
        loop = asyncio.get_running_loop()
        # In this context, not in that of one connection: a call of `serve` works for all of them.
        call_soon = partial(loop.call_soon, context=copy_context())
        sockets = self._sockets = Sockets(call_soon, _failed)
        loop.add_reader(sockets.fileno(), sockets.serve)
        self._stop_watching = partial(loop.remove_reader, sockets.fileno())

    def close(self) -> None:
        """Close the sockets that are still open."""
        sockets, self._sockets = self._sockets, None
        if sockets is not None and self._stop_watching is not None:
            self._stop_watching()
            sockets.close()

    def take_over(
        self, transport: asyncio.Transport, protocol: asyncio.Protocol, reader: Reader
    ) -> ByteTransport:
        """Take a connection from its transport, if possible, and give it to a protocol. Return its transport.

        The old transport first sends what it has still to send. If `reader` is a conversation, the protocol
        is called as `found` with what the reader has found, else as `data_received`. Everything else is as
        with a transport of asyncio.
        """
        if isinstance(transport, CoreTransport):
            return transport.hand_over(protocol, reader)
        descriptor = None if self._sockets is None else _descriptor_of(transport)
        if self._sockets is None or descriptor is None:
            transport.set_protocol(protocol)
            return transport
        socket = self._sockets.adopt(descriptor, transport, protocol, reader)
        transport.set_protocol(_TransportClosing(socket))
        transport.close()
        return socket

    def accept_tls(self, descriptor: int, context: TlsContext, protocol: asyncio.Protocol) -> Socket:
        """Serve an accepted connection, which begins with TLS. `protocol` gets the decrypted bytes.

        Raises:
            OSError: the connection has ended, or the sockets are closed.
        """
        if self._sockets is None:
            os.close(descriptor)
            raise ConnectionAbortedError("the sockets are closed")
        return self._sockets.accept_tls(descriptor, context, protocol)


class _TransportClosing(asyncio.Protocol):
    """Waits until the old transport has closed its descriptor of the connection."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the core serve the socket. A broken connection fails at its first read."""
        self._socket.open()


def _descriptor_of(transport: asyncio.Transport) -> int | None:
    """Return a second descriptor of a connection, None if the core cannot serve it."""
    if transport.is_closing() or transport.get_extra_info("sslcontext"):
        return None
    try:
        return os.dup(transport.get_extra_info("socket").fileno())
    except OSError:
        # The process has no descriptor left.
        return None


def _failed(error: Exception) -> None:
    _LOG.error("connection_failed", exc_info=error)
