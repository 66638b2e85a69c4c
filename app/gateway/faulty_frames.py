"""Frames that cannot be handled: how they are answered, and how many a peer may send."""

from collections import deque

import orjson

UNREADABLE_LIMIT = 20
"""Frames within a minute that are unreadable or of an unknown type. A peer that sends as many does not speak
OCPP 1.6."""

UNREADABLE_WINDOW_S = 60.0


class UnreadableWindow:
    """Counts the unreadable frames of the last minute."""

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=UNREADABLE_LIMIT)

    def exceeded(self, now: float) -> bool:
        """Count one more frame. Return True if the limit is reached. now: monotonic seconds."""
        self._moments.append(now)
        return len(self._moments) == UNREADABLE_LIMIT and now - self._moments[0] <= UNREADABLE_WINDOW_S


def internal_error_for(text: str) -> str | None:
    """Return the answer to a CALL on which the core failed. None: not a CALL, or not readable."""
    try:
        frame = orjson.loads(text)
    except ValueError:
        return None
    match frame:
        case [2, str() | int() as unique_id, *_]:
            return orjson.dumps([4, unique_id, "InternalError", "", {}]).decode()
        case _:
            return None
