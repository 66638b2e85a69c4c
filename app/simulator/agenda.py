"""The planned events of one charge point in the order of virtual time, without a clock of its own."""

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Action = Callable[[], object]


class Agenda:
    """Planned events, ordered by virtual time and then by the order of planning.

    `now_s` is in virtual seconds since `origin`. While an event runs, `now_s` is the time for which it was
    planned, so that a late call of `run_until` does not change timestamps.
    """

    def __init__(self, origin: datetime) -> None:
        self.origin = origin
        self.now_s = 0.0
        self._events: list[tuple[float, int, Action]] = []
        self._sequence = itertools.count()
        self._cancelled: set[int] = set()

    def after(self, delay_s: float, action: Action) -> int:
        """Plan `action` in `delay_s` virtual seconds; return a token that cancels it."""
        token = next(self._sequence)
        heapq.heappush(self._events, (self.now_s + max(0.0, delay_s), token, action))
        return token

    def cancel(self, token: int) -> None:
        """Cancel an event. Nothing happens if it has run already."""
        if any(entry[1] == token for entry in self._events):
            self._cancelled.add(token)

    def run_until(self, now_s: float) -> None:
        """Run every event that is planned up to `now_s`, including those that these plan."""
        while self._events and self._events[0][0] <= now_s:
            at_s, token, action = heapq.heappop(self._events)
            if token in self._cancelled:
                self._cancelled.discard(token)
                continue
            self.now_s = max(self.now_s, at_s)
            action()
        self.now_s = max(self.now_s, now_s)

    @property
    def next_s(self) -> float | None:
        """Return the time of the next event; None if nothing is planned."""
        while self._events and self._events[0][1] in self._cancelled:
            self._cancelled.discard(heapq.heappop(self._events)[1])
        return self._events[0][0] if self._events else None

    def time(self, at_s: float | None = None) -> datetime:
        """Return the simulated date and time of a virtual second (default: now), aware UTC."""
        return self.origin.astimezone(UTC) + timedelta(seconds=self.now_s if at_s is None else at_s)

    def seconds_until(self, moment: datetime) -> float:
        """Return the virtual seconds until a time, negative if it is over."""
        return (moment - self.time()).total_seconds()
