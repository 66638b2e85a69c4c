"""Where a charge point's own composite schedule departs from the one it should follow. Pure values."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, datetime, timedelta
from itertools import pairwise
from typing import Literal, get_args

from app.clock import parse_time
from app.types import Json

Unit = Literal["A", "W"]

_SAME_WITHIN = 0.05
"""Limits that round to the same tenth are the same: charge points convert and round in their own ways."""


@dataclass(frozen=True, slots=True)
class Reported:
    """GetCompositeSchedule.conf (OCPP 1.6 6.22), as far as it can be used.

    start: to the second; duration_s: 0 speaks of the one instant of the start; periods: by their start.
    """

    start: datetime
    duration_s: int
    unit: Unit
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
    """Read the answer tolerantly; None when it holds no schedule that could be compared.

    That is one in a unit that nobody knows, of no duration though one was asked for, or at the end of all
    dates. asked_at, duration_s: stand in for what it leaves out. The start may be given twice (errata 3.57),
    or not.
    """
    schedule = result.get("chargingSchedule")
    if not isinstance(schedule, dict) or schedule["chargingRateUnit"] not in get_args(Unit):
        return None
    spoken_of_s = min(schedule.get("duration", duration_s), duration_s)
    if spoken_of_s < 0 or (spoken_of_s == 0 and duration_s > 0):
        return None
    text = result.get("scheduleStart") or schedule.get("startSchedule") or ""
    start = (parse_time(text) or asked_at).replace(microsecond=0)
    if start.year >= MAXYEAR - 1:
        return None
    periods = sorted(schedule["chargingSchedulePeriod"], key=_start_s)
    return Reported(start, spoken_of_s, schedule["chargingRateUnit"], periods)


def departures(ours: Json, reported: Reported) -> list[Departure]:
    """Compare over the duration that the charge point spoke of. ours: of the same start and unit."""
    # The one instant is looked at like a second.
    duration_s = max(reported.duration_s, 1)
    lines = _Line.of(ours["chargingSchedulePeriod"]), _Line.of(reported.periods)
    changes = {start for line in lines for start in line.starts if 0 < start < duration_s}
    found: list[Departure] = []
    for start_s, end_s in pairwise([0, *sorted(changes), duration_s]):
        pair = lines[0].limit_at(start_s), lines[1].limit_at(start_s)
        if _is_same(*pair):
            continue
        start, end = (reported.start + timedelta(seconds=second) for second in (start_s, end_s))
        if found and found[-1].end == start and (found[-1].ours, found[-1].reported) == pair:
            start = found.pop().start
        found.append(Departure(start, end, *pair))
    return found


@dataclass(frozen=True, slots=True)
class _Line:
    """Limits over time. starts: rising; limits: from each of them on."""

    starts: Sequence[int]
    limits: Sequence[float | None]

    @classmethod
    def of(cls, periods: Sequence[Json]) -> "_Line":
        return cls([_start_s(row) for row in periods], [_limit(row) for row in periods])

    def limit_at(self, second: int) -> float | None:
        place = bisect_right(self.starts, second)
        return self.limits[place - 1] if place else None


def _start_s(period: Json) -> int:
    return int(period["startPeriod"])


def _limit(period: Json) -> float | None:
    """Some charge points say -1 where they have no limit."""
    limit = period["limit"]
    return None if limit is None or limit < 0 else float(limit)


def _is_same(ours: float | None, reported: float | None) -> bool:
    if ours is None or reported is None:
        return ours is reported
    return abs(ours - reported) <= _SAME_WITHIN
