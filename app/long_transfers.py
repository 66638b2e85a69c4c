"""Requests that may last long, because a file is transferred: how a route tells the HTTP protocol of them.

Other requests have a fixed time. A route asks for more when it knows that the client may transfer a file.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, Final

EXTENSION: Final = "stationmaster.long_transfer"
"""The ASGI extension. Its value is called to begin a long transfer; other servers do not have it."""

LEAST_BYTES_PER_S: Final = 1024
"""A file that comes slower than this on average is cut off. GPRS has several times as much."""

STALL_S: Final = 60.0
"""Seconds without a byte after which a transfer is cut off."""


def begin_long_transfer(scope: MutableMapping[str, Any]) -> None:
    """Let a request last as long as its client makes progress. scope: of the ASGI request."""
    begin: Callable[[], None] | None = scope.get("extensions", {}).get(EXTENSION)
    if begin is not None:
        begin()


def upload_deadline(begun_at: float, now: float, received_bytes: int, stall_s: float = STALL_S) -> float:
    """Return when an upload is cut off unless more of it comes. All times are monotonic seconds.

    Args:
        begun_at: When it began.
        now: When its last part came.
        received_bytes: What has come since it began.
        stall_s: Seconds without a byte after which it is cut off.
    """
    return min(begun_at + stall_s + received_bytes / LEAST_BYTES_PER_S, now + stall_s)
