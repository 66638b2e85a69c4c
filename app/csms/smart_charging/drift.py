"""Where a charge point's own composite schedule departs from the one it should follow. Pure values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from app.clock import parse_time
from app.store.records import Json

_SAME_WITHIN = 0.05
"""Limits that round to the same tenth are the same: charge points convert and round in their own ways."""


@dataclass(frozen=True, slots=True)
class Reported:
    """GetCompositeSchedule.conf (OCPP 1.6 6.22), as far as it can be used. start: to the second."""

    start: datetime
    duration_s: int
    unit: str
    periods: list[Json]


@dataclass(frozen=True, slots=True)
class Departure:
    """A stretch with another limit. None: no limit; difference: reported minus ours, None without both."""

    start: datetime
    end: datetime
    ours: float | None
    reported: float | None

    @property
    def difference(self) -> float | None:
        """How much more the charge point would take than it should."""
        if self.ours is None or self.reported is None:
            return None
        return round(self.reported - self.ours, 1)


def read_reported(result: Json, asked_at: datetime, duration_s: int) -> Reported | None:
    """Read the answer tolerantly; None when it holds no schedule.

    asked_at, duration_s: stand in for what it leaves out. The start may be given twice (errata 3.57), or not.
    """
    schedule = result.get("chargingSchedule")
    if not isinstance(schedule, dict):
        return None
    text = result.get("scheduleStart") or schedule.get("startSchedule") or ""
    start = (parse_time(text) or asked_at).replace(microsecond=0)
    periods = sorted(schedule["chargingSchedulePeriod"], key=lambda period: int(period["startPeriod"]))
    return Reported(start, schedule.get("duration", duration_s), schedule["chargingRateUnit"], periods)


def departures(ours: Json, reported: Reported) -> list[Departure]:
    """Compare where both say something. ours: of the same start and unit."""
    duration_s = min(int(ours["duration"]), reported.duration_s)
    own = ours["chargingSchedulePeriod"]
    starts = {int(row["startPeriod"]) for row in (*own, *reported.periods)}
    marks = [*sorted(start for start in starts | {0} if start < duration_s), duration_s]
    found: list[Departure] = []
    for start_s, end_s in pairwise(marks):
        pair = _limit(own, start_s), _limit(reported.periods, start_s)
        if _is_same(*pair):
            continue
        start, end = (reported.start + timedelta(seconds=second) for second in (start_s, end_s))
        if found and found[-1].end == start and (found[-1].ours, found[-1].reported) == pair:
            start = found.pop().start
        found.append(Departure(start, end, *pair))
    return found


def _limit(periods: list[Json], second: int) -> float | None:
    """The limit at a second; some charge points say -1 where they have none."""
    holding = [row for row in periods if row["startPeriod"] <= second]
    if not holding or holding[-1]["limit"] is None or holding[-1]["limit"] < 0:
        return None
    return float(holding[-1]["limit"])


def _is_same(ours: float | None, reported: float | None) -> bool:
    if ours is None or reported is None:
        return ours is reported
    return abs(ours - reported) <= _SAME_WITHIN
