"""uvicorn's WebSocket protocol for the handshake, which then gives the socket away.

An endpoint that finds `EXTENSION` in the scope may take the connection over with a `Wire`: then the protocol,
its queue, its task and its timers are gone. For every other endpoint this is uvicorn's protocol.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from app.gateway.path import belongs_here
from app.gateway.transport import Receiver
from app.gateway.wire import Wire

EXTENSION: Final = "stationmaster.hand_over"
"""Name in the scope's extensions under which the endpoint finds the protocol."""

_EARLY_LIMIT_BYTES: Final = 65_536
"""What is kept of a peer that does not wait for the answer to its handshake."""


class _Given(asyncio.Transport):
    """What the protocol still does to a socket that it gave away goes nowhere."""

    def write(self, data: object) -> None:
        """Do nothing: of a handshake that came too late to be answered, the protocol tries to tell."""

    def close(self) -> None:
        """Do nothing."""

    def is_closing(self) -> bool:
        """True: the socket is of no use here."""
        return True


_GIVEN: Final = _Given()


class ChargePointProtocol(WebSocketsSansIOProtocol):
    """One connection up to its handshake, or for good when nobody takes it over."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._early: bytearray | None = None

    def hand_over(self, wire: Wire, receiver: Receiver, ended: Callable[[int], None]) -> None:
        """Give the socket to a wire, right after `websocket.accept`; see `Wire.start` for the other two."""
        transport, self.transport = self.transport, _GIVEN
        self.stop_keepalive()
        self.connections.discard(self)
        # uvicorn shuts down what is in this set, and waits for it.
        connections = cast(set[Any], self.connections)
        connections.add(wire)
        # First: what the wire writes as it starts may be more than the peer reads.
        transport.set_protocol(wire)
        wire.start(transport, receiver, ended, connections.discard)
        early, self._early = self._early, None
        if early:
            transport.resume_reading()
            wire.data_received(bytes(early))

    def handle_connect(self, event: Request) -> None:
        """Begin with the handshake; the endpoint finds this protocol in the scope."""
        super().handle_connect(event)
        if self.response.status_code == 101 and belongs_here(self.scope["raw_path"], self.root_path):
            cast(dict[str, Any], self.scope["extensions"])[EXTENSION] = self
            self._early = bytearray()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the peer; those that come before the answer to its handshake wait for the wire."""
        if self._early is None or (self.handshake_complete and self.close_sent):
            super().data_received(data)
            return
        self._early += data
        if len(self._early) > _EARLY_LIMIT_BYTES:
            self.transport.pause_reading()
