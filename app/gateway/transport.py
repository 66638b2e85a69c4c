"""The interfaces between sessions, readers and sockets."""

from collections.abc import Callable
from typing import Any, Final, Protocol

SECURITY: Final = "stationmaster.security"
"""The name of a `TransportSecurity`, in the extensions of an ASGI scope and in a transport."""

OUTBOUND_LIMIT_BYTES = 1_048_576
"""Bytes that may wait for one slow peer, besides the kernel's buffers: four frames of the largest size."""

SEND_DEADLINE_S = 15.0
"""Seconds that a peer may take to read. After that it counts as dead."""

Frame = str | bytes
"""One message of a conversation: bytes with the head of RFC 6455, or text for a server that adds the head."""


class Transport(Protocol):
    """Writes to one charge point. No method blocks, waits, or raises if the peer is gone."""

    def write(self, frame: Frame) -> None:
        """Write one message, or keep it until the peer reads."""

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake with this code, after everything that was written before."""

    def allow_silence(self, seconds: float) -> None:
        """Set how long the charge point may be silent if it has never answered a ping."""

    def ask(self, answered: Callable[[], None]) -> None:
        """Ping the charge point, and call `answered` at its next pong. It may never be called."""

    def pause_reading(self) -> None:
        """Stop reading messages until `resume_reading`, so that TCP slows the peer down."""

    def resume_reading(self) -> None:
        """Continue to read messages."""


class ByteTransport(Protocol):
    """The socket of a `WebSocketConnection`: a transport of asyncio, or a socket of the core."""

    def write(self, data: bytes) -> None:
        """Write, or keep the bytes until the peer reads."""

    def close(self) -> None:
        """Send what was written, then close."""

    def abort(self) -> None:
        """Close at once."""

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`."""

    def resume_reading(self) -> None:
        """Continue to read."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the peer has not read yet."""


class Reader(Protocol):
    """Reads the bytes of a socket. has_spoken: whether bytes came since it was last set to False."""

    has_spoken: bool

    def feed(self, data: bytes) -> list[Any] | None:
        """Read bytes of the socket. Return what was found, in order, `Control` included; None for nothing."""


class Receiver(Protocol):
    """Handles what comes over a socket."""

    @property
    def reader(self) -> Reader:
        """The reader of the socket. What it finds goes to `handle`."""

    def handle(self, found: Any) -> None:
        """Handle one thing that the reader has found."""
