"""Counters of a fleet, for the display and the summary."""

from collections import Counter, deque
from dataclasses import dataclass, field

_LATENCIES_KEPT = 20_000


@dataclass(slots=True)
class Statistics:
    """Counts over all charge points of a run. Latencies are real seconds from CALL to answer."""

    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    connected: int = 0
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))

    @property
    def messages(self) -> int:
        """Return the number of CALLs that the fleet sent or answered."""
        return self.sent.total() + self.commands.total()

    def quantile_s(self, share: float) -> float | None:
        """Return the latency that `share` (0 to 1) of the answers did not exceed; None without an answer."""
        if not self.latencies_s:
            return None
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
