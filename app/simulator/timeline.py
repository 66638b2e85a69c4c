"""Converts between virtual and real time."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Timeline:
    """Virtual seconds since `origin`: `speed` of them for each real second.

    started: monotonic seconds.
    """

    origin: datetime
    started: float
    speed: float

    @classmethod
    def begin(cls, now: datetime, monotonic: float, speed: float, duration_s: float | None) -> "Timeline":
        """Start now. With a known duration, virtual time ends at the real time of the end, not after it.

        Otherwise the run would report times in the future, and later events would seem older.
        """
        lead_s = duration_s * (speed - 1.0) if duration_s is not None and speed > 1.0 else 0.0
        return cls(now - timedelta(seconds=lead_s), monotonic, speed)

    def virtual_s(self, monotonic: float) -> float:
        """Return the virtual seconds since the origin."""
        return (monotonic - self.started) * self.speed

    def delay_s(self, virtual_s: float, monotonic: float) -> float:
        """Return the real seconds until a virtual time; 0 if it has passed."""
        return max(0.0, self.started + virtual_s / self.speed - monotonic)
