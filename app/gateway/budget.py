"""How much one charge point may send: a token bucket for its frames, a window for frames nobody can read."""

from collections import deque

UNREADABLE_LIMIT = 20
"""Unreadable frames, or frames of an unknown type, within a minute: then it is no OCPP 1.6 any more."""

UNREADABLE_WINDOW_S = 60.0


class FrameBudget:
    """A token bucket. It never refuses: it says how long not to read, so that nothing is lost."""

    __slots__ = ("_at", "_burst", "_rate_per_s", "_tokens")

    def __init__(self, rate_per_s: float, burst: int, now: float) -> None:
        """rate_per_s: frames in the long run; burst: frames at once after a pause."""
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> float:
        """Take one token; return the seconds not to read from now on, mostly 0.0."""
        tokens = self._tokens + (now - self._at) * self._rate_per_s
        if tokens > self._burst:
            tokens = self._burst
        self._at = now
        self._tokens = tokens = tokens - 1.0
        return 0.0 if tokens >= 0.0 else -tokens / self._rate_per_s


class UnreadableWindow:
    """Counts unreadable frames within the last minute."""

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=UNREADABLE_LIMIT)

    def exceeded(self, now: float) -> bool:
        """Count one more; True when the limit is reached."""
        self._moments.append(now)
        return len(self._moments) == UNREADABLE_LIMIT and now - self._moments[0] <= UNREADABLE_WINDOW_S
