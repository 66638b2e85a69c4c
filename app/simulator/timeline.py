"""How virtual time runs against real time."""

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
        """Start now. With a known duration the virtual time ends at the real present, not ahead of it.

        Otherwise what the run reports would lie in the future, and what comes after it would seem older.
        """
        lead_s = duration_s * (speed - 1.0) if duration_s is not None and speed > 1.0 else 0.0
        return cls(now - timedelta(seconds=lead_s), monotonic, speed)

    def virtual_s(self, monotonic: float) -> float:
        """Virtual seconds since the origin."""
        return (monotonic - self.started) * self.speed

    def delay_s(self, virtual_s: float, monotonic: float) -> float:
        """Real seconds until a virtual moment; 0 when it has passed."""
        return max(0.0, self.started + virtual_s / self.speed - monotonic)
