"""Where a charge point's own composite schedule differs from the one that it should follow. Pure values."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Literal, get_args

from app.clock import parse_time
from app.commands.records import CommandRecord
from app.errors import InvalidInput
from app.smart_charging.expected_schedule import ScheduleRequest, expected_schedule
from app.smart_charging.overlays import ReportedLimit
from app.smart_charging.profile_ledger import LedgerView
from app.types import Json

Unit = Literal["A", "W"]

_SAME_WITHIN = 0.05
"""Limits that round to the same tenth count as equal, because charge points convert and round differently."""


@dataclass(frozen=True, slots=True)
class Reported:
    """GetCompositeSchedule.conf (OCPP 1.6 6.22), as far as it can be used.

    start: without fractions of a second. duration_s: 0 means the one instant of the start. periods: sorted by
    their start.
    """

    start: datetime
    duration_s: int
    unit: Unit
    periods: list[Json]


@dataclass(frozen=True, slots=True)
class Departure:
    """An interval in which the limits differ. None: no limit."""

    start: datetime
    end: datetime
    ours: float | None
    reported: float | None

    @property
    def difference(self) -> float | None:
        """Return by how much the reported limit is above ours; None if one of them is None."""
        if self.ours is None or self.reported is None:
            return None
        return round(self.reported - self.ours, 1)


@dataclass(frozen=True, slots=True)
class Drift:
    """The comparison with a reported schedule, in its unit and from its start on."""

    unit: Unit
    departures: list[Departure]

    @property
    def pattern(self) -> str:
        """Return what is equal for the same difference at another time: the pairs of limits; empty: none."""
        pairs = sorted({f"{one.ours}/{one.reported}" for one in self.departures})
        return f"{self.unit} {' '.join(pairs)}" if pairs else ""


def find_drift(
    view: LedgerView, request: ScheduleRequest, command: CommandRecord, zone: tzinfo = UTC
) -> Drift | None:
    """Compare the answer to GetCompositeSchedule with the ledger; None if it cannot be compared.

    request: the question that `command` asked the charge point; zone: of a start that names none.
    """
    if command.state != "accepted" or command.result is None:
        return None
    asked_at, duration_s = command.sent_at or request.start, request.options.duration_s
    reported = read_reported(command.result, asked_at, duration_s, zone)
    if reported is None:
        return None
    options = replace(request.options, unit=reported.unit)
    try:
        ours = expected_schedule(view, replace(request, start=reported.start, options=options))
    except InvalidInput:
        # The caller's own question was answered; this is the charge point's start and unit.
        return None
    return Drift(reported.unit, departures(ours, reported))


def read_reported(result: Json, asked_at: datetime, duration_s: int, zone: tzinfo = UTC) -> Reported | None:
    """Read the answer tolerantly; None if it has no schedule that can be compared.

    That is the case for an unknown unit, for no duration although one was asked for, and for a start in the
    last years of the calendar. The start may be given twice (errata 3.57), or not at all.

    Args:
        result: The payload of the answer.
        asked_at: The start, if the answer leaves it out.
        duration_s: The duration that was asked for.
        zone: That of a start that names none.
    """
    schedule = result.get("chargingSchedule")
    if not isinstance(schedule, dict) or schedule["chargingRateUnit"] not in get_args(Unit):
        return None
    reported_s = min(schedule.get("duration", duration_s), duration_s)
    if reported_s < 0 or (reported_s == 0 and duration_s > 0):
        return None
    text = result.get("scheduleStart") or schedule.get("startSchedule") or ""
    start = (parse_time(text, zone) or asked_at).replace(microsecond=0)
    if start.year >= MAXYEAR - 1:
        return None
    periods = sorted(schedule["chargingSchedulePeriod"], key=_start_s)
    return Reported(start, reported_s, schedule["chargingRateUnit"], periods)


def reported_limits(reported: Reported, start: datetime) -> list[ReportedLimit]:
    """Return a reported schedule as limits of a picture that begins at `start`."""
    begin_s = (reported.start - start).total_seconds()
    starts = [_start_s(period) for period in reported.periods]
    ends = [*starts[1:], max(reported.duration_s, 1)]
    return [
        ReportedLimit(begin_s + start_s, begin_s + end_s, _limit(period))
        for start_s, end_s, period in zip(starts, ends, reported.periods, strict=True)
        if start_s < end_s
    ]


def departures(ours: Json, reported: Reported) -> list[Departure]:
    """Compare over the reported duration. ours: a schedule of the same start and unit."""
    # The one instant is compared like one second.
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
    """Limits over time. starts: rising. limits: from each start on."""

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
    """Return the limit. Some charge points report -1 where they have none."""
    limit = period["limit"]
    return None if limit is None or limit < 0 else float(limit)


def _is_same(ours: float | None, reported: float | None) -> bool:
    if ours is None or reported is None:
        return ours is reported
    return abs(ours - reported) <= _SAME_WITHIN
