"""How much of what nobody can read one charge point may send."""

from collections import deque

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
