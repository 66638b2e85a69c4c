"""The sockets of a worker's charge points, which the core reads and writes by itself.

The event loop watches one descriptor for all of them. What a conversation has found comes to its
`WebSocketConnection`, and what goes out is sent once a turn of the loop. Sockets under TLS stay with the
transport that they have.
"""

import asyncio
import os
from collections.abc import Callable
from contextvars import copy_context
from functools import partial

from app.gateway.transport import ByteTransport, Reader
from app.logs import get_logger
from app.ocpp import Socket, Sockets

_LOG = get_logger(__name__)


class WorkerSockets:
    """All sockets that were taken over from the event loop of this worker."""

    def __init__(self) -> None:
        self._sockets: Sockets | None = None
        self._stop_watching: Callable[[], object] | None = None

    def start(self) -> None:
        """Serve from now on, in the running loop."""
        loop = asyncio.get_running_loop()
        # In this context: what one connection has ordered is done for others, too.
        call_soon = partial(loop.call_soon, context=copy_context())
        sockets = self._sockets = Sockets(call_soon, _failed)
        loop.add_reader(sockets.fileno(), sockets.serve)
        self._stop_watching = partial(loop.remove_reader, sockets.fileno())

    def close(self) -> None:
        """End what is still open."""
        sockets, self._sockets = self._sockets, None
        if sockets is not None and self._stop_watching is not None:
            self._stop_watching()
            sockets.close()

    def take_over(
        self, transport: asyncio.Transport, protocol: asyncio.Protocol, reader: Reader
    ) -> ByteTransport:
        """Give a connection to a protocol, taken from its transport if that can be; return what it is on.

        protocol: gets `found` for what the reader finds, if that is a conversation, else `data_received`; and
        all else as from a transport. The transport first sends what it still has to.
        """
        descriptor = None if self._sockets is None else _descriptor_of(transport)
        if self._sockets is None or descriptor is None:
            transport.set_protocol(protocol)
            return transport
        socket = self._sockets.adopt(descriptor, transport, protocol, reader)
        transport.set_protocol(_TransportClosing(socket))
        transport.close()
        return socket


class _TransportClosing(asyncio.Protocol):
    """Waits until the transport has let go of its connection."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    def connection_lost(self, exc: Exception | None) -> None:
        """Go on with the connection. If it is broken, that shows at once."""
        self._socket.open()


def _descriptor_of(transport: asyncio.Transport) -> int | None:
    """Another descriptor of a connection, if it is one that the core can serve."""
    if transport.is_closing() or transport.get_extra_info("sslcontext"):
        return None
    try:
        return os.dup(transport.get_extra_info("socket").fileno())
    except OSError:
        # None is left.
        return None


def _failed(error: Exception) -> None:
    _LOG.error("connection_failed", exc_info=error)
