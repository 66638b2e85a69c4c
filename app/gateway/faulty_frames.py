"""Frames that cannot be handled: what to keep of them, how to answer them, how many one peer may send."""

from collections import deque
from typing import Any

import orjson

UNREADABLE_LIMIT = 20
"""Unreadable frames, or frames of an unknown type, within a minute: then it is no OCPP 1.6 any more."""

UNREADABLE_WINDOW_S = 60.0


class UnreadableWindow:
    """Counts unreadable frames within the last minute."""

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=UNREADABLE_LIMIT)

    def exceeded(self, now: float) -> bool:
        """Count one more; True when the limit is reached."""
        self._moments.append(now)
        return len(self._moments) == UNREADABLE_LIMIT and now - self._moments[0] <= UNREADABLE_WINDOW_S


def payload_of(raw: str) -> Any:
    """The payload of a CALL that broke a rule; None: it is no JSON, or nested too deeply to be written."""
    try:
        frame = orjson.loads(raw)
        payload = frame[3] if isinstance(frame, list) and len(frame) > 3 else None
        orjson.dumps(payload)
    except (ValueError, TypeError):
        return None
    return payload


def as_internal_error(answer: str) -> str:
    """The same CALLERROR with the code that says: our fault, try again."""
    frame = orjson.loads(answer)
    return orjson.dumps([frame[0], frame[1], "InternalError", "not kept", {}]).decode()


def internal_error_for(text: str) -> str | None:
    """The answer to a CALL that our own core could not take; None for what is no CALL, or not readable."""
    try:
        frame = orjson.loads(text)
    except ValueError:
        return None
    match frame:
        case [2, str() | int() as unique_id, *_]:
            return orjson.dumps([4, unique_id, "InternalError", "", {}]).decode()
        case _:
            return None
