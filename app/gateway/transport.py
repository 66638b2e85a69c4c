"""What a session needs of its connection: the interfaces between sessions, readers and sockets."""

from typing import Any, Protocol

OUTBOUND_LIMIT_BYTES = 1_048_576
"""Text that may wait for one slow reader beside the socket's own buffers; four frames of the largest size."""

SEND_DEADLINE_S = 15.0
"""Seconds a reader may take to make room; then it counts as dead (FAULTS: slow consumer)."""

Frame = str | bytes
"""One message as its conversation gives it: with the head of RFC 6455, or as text for who adds that."""


class Transport(Protocol):
    """The way back to one charge point. Nothing here blocks, waits or raises for a peer that is gone."""

    def write(self, frame: Frame) -> None:
        """Write one message, or keep it until the peer makes room."""

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake with this code; what was sent before goes out first."""

    def pause_reading(self) -> None:
        """Read no further message until `resume_reading`, so that the peer is slowed down by TCP."""

    def resume_reading(self) -> None:
        """Read on."""


class ByteTransport(Protocol):
    """The socket under a wire: one of asyncio's transports, or one of the core's sockets."""

    def write(self, data: bytes) -> None:
        """Write, or keep it until the peer makes room."""

    def close(self) -> None:
        """Send what was written, and end."""

    def abort(self) -> None:
        """End."""

    def pause_reading(self) -> None:
        """Read nothing until `resume_reading`."""

    def resume_reading(self) -> None:
        """Read on."""

    def get_write_buffer_size(self) -> int:
        """How many bytes the peer has not taken yet."""


class Reader(Protocol):
    """Makes sense of the bytes of a socket. has_spoken: bytes came since this was last set to False."""

    has_spoken: bool

    def feed(self, data: bytes) -> list[Any] | None:
        """Take bytes of the socket; return what is to be done, in order, `Control` too. None: nothing."""


class Receiver(Protocol):
    """Who takes what comes over a socket."""

    @property
    def reader(self) -> Reader:
        """Finds what `handle` is to be given."""

    def handle(self, found: Any) -> None:
        """Do one of these things, as soon as what stands before it is done."""
