"""Decides when the parts of a page ask for their new state: soon after an event, and never too often."""

from collections.abc import Callable
from math import inf
from typing import Final

SHORTEST_PERIOD_S: Final = 1.0
"""Seconds between two pulses, however many events come."""
SETTLING_S: Final = (1.0, 5.0)
"""Seconds after the newest event at which there is another pulse.

The frames of a message are stored up to a second after its event, and viewers share figures of the fleet for
some seconds (`SUMMARY_LIFETIME_S`).
"""


class Pulses:
    """The pulses of one viewer. monotonic: the clock, in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._not_before = -inf
        self._expected: list[float] = []

    def note(self) -> None:
        """Note that something has changed now."""
        now = self._monotonic()
        # A pulse that was expected before stays: events that never pause must not put it off.
        first = min([now, *self._expected])
        self._expected = [first, *(now + seconds for seconds in SETTLING_S)]

    def wait_s(self) -> float | None:
        """Return the seconds until the next pulse, at least 0; None: nothing is expected."""
        if not self._expected:
            return None
        return max(0.0, max(self._expected[0], self._not_before) - self._monotonic())

    def take(self) -> bool:
        """Tell whether a pulse is to be sent now. It then counts as sent."""
        wait_s = self.wait_s()
        if wait_s is None or wait_s > 0.0:
            return False
        now = self._monotonic()
        self._not_before = now + SHORTEST_PERIOD_S
        self._expected = [moment for moment in self._expected if moment > now]
        return True
