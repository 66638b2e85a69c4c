"""The virtual time line of one charge point: what is due, in order, without a clock of its own."""

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Action = Callable[[], object]


class Agenda:
    """Events ordered by virtual time, then by the order in which they were planned.

    `now_s` are virtual seconds since `origin`. While an event runs, `now_s` is the moment for which it was
    planned, so that a late call of `run_until` changes no timestamp.
    """

    def __init__(self, origin: datetime) -> None:
        self.origin = origin
        self.now_s = 0.0
        self._events: list[tuple[float, int, Action]] = []
        self._sequence = itertools.count()
        self._cancelled: set[int] = set()

    def after(self, delay_s: float, action: Action) -> int:
        """Plan `action` for `delay_s` virtual seconds from now; the token returned cancels it."""
        token = next(self._sequence)
        heapq.heappush(self._events, (self.now_s + max(0.0, delay_s), token, action))
        return token

    def cancel(self, token: int) -> None:
        """Forget the event; harmless when it has run already."""
        if any(entry[1] == token for entry in self._events):
            self._cancelled.add(token)

    def run_until(self, now_s: float) -> None:
        """Run everything that is due at `now_s`, the events they plan included."""
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
        """When the next event is due; None: nothing is planned."""
        while self._events and self._events[0][1] in self._cancelled:
            self._cancelled.discard(heapq.heappop(self._events)[1])
        return self._events[0][0] if self._events else None

    def time(self, at_s: float | None = None) -> datetime:
        """The world's time at a virtual second (default: now), aware UTC."""
        return self.origin.astimezone(UTC) + timedelta(seconds=self.now_s if at_s is None else at_s)
