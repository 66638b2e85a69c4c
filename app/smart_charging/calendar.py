"""Calendars in local time, compiled to OCPP charging profiles. Pure values; `now` is a parameter.

OCPP 1.6 repeats a schedule every 24 hours or every 7 days of UTC (errata 3.78) and has no time zones. So a
calendar is compiled with the offset that its zone has now, and again when that changes. In between, each week
of the zone is exactly seven times 24 hours long.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from app.clock import parse_time, utc_text

Json = dict[str, Any]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
DAYS: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_S, WEEK_S = 86_400, 604_800
# A Monday, at midnight.
_FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_STEP = timedelta(hours=6)
LOOK_AHEAD = timedelta(days=400)
"""How far ahead the next clock change is searched. A zone without one is searched again then."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in the calendar's unit. number_phases: None means 3 phases, as in OCPP."""

    limit: float
    number_phases: int | None = None


@dataclass(frozen=True, slots=True)
class CalendarRule:
    """A limit from one time of day to another, on some days. It belongs to the day on which it begins.

    days: 0 is Monday. start_s, end_s: seconds of the local day, 0 <= start_s < 86400 and start_s < end_s. An
    end above 86400 is on the next morning.
    """

    days: frozenset[int]
    start_s: int
    end_s: int
    limit: Limit

    def holds(self, weekday: int, second: int) -> bool:
        """Say whether the rule holds at a second of a local day."""
        if weekday in self.days and self.start_s <= second < self.end_s:
            return True
        return (weekday - 1) % 7 in self.days and second < self.end_s - DAY_S


@dataclass(frozen=True, slots=True)
class Calendar:
    """Rules in local time. The first one that holds counts. otherwise: None sets no limit at other times."""

    time_zone: str
    unit: Literal["A", "W"]
    rules: tuple[CalendarRule, ...]
    otherwise: Limit | None

    @classmethod
    def of(cls, stored: Json) -> "Calendar":
        """Read a calendar in its stored form, which is that of the API."""
        otherwise = stored["otherwise"]
        return cls(
            stored["time_zone"],
            stored["unit"],
            tuple(_rule(rule) for rule in stored["rules"]),
            None if otherwise is None else Limit(otherwise, stored["number_phases"]),
        )

    def limit_at(self, moment: datetime) -> Limit | None:
        """Return the limit at a moment, by the clocks of the zone."""
        local = moment.astimezone(_zone(self.time_zone))
        second = local.hour * 3600 + local.minute * 60 + local.second
        return self._limit(local.weekday(), second)

    def week(self) -> list[tuple[int, Limit | None]]:
        """Return the changes within a week: the second since Monday midnight, and the limit from then on.

        The last one also holds at the beginning of the week. An empty list means that nothing changes.
        """
        seconds = {
            (day * DAY_S + second) % WEEK_S
            for rule in self.rules
            for day in rule.days
            for second in (rule.start_s, rule.end_s)
        }
        changes = [(second, self._limit(*divmod(second, DAY_S))) for second in sorted(seconds)]
        return [row for number, row in enumerate(changes) if row[1] != changes[number - 1][1]]

    def _limit(self, weekday: int, second: int) -> Limit | None:
        rule = next((rule for rule in self.rules if rule.holds(weekday, second)), None)
        return self.otherwise if rule is None else rule.limit


@dataclass(frozen=True, slots=True)
class _Run:
    """Limits without a gap between them: one OCPP profile. start_s: within `every_s` seconds."""

    start_s: int
    every_s: int
    duration_s: int
    periods: tuple[tuple[int, Limit], ...]


def compile_calendar(calendar: Calendar, now: datetime) -> list[Json]:
    """Return the fewest OCPP profiles that set the same limits until the next clock change of the zone.

    They lack chargingProfileId, stackLevel and purpose. One is enough for a calendar without gaps, or with
    one in each day or week; each further gap needs one more. Their startSchedule is in the past (3.13.2). An
    empty list means that the calendar sets no limit.
    """
    offset = now.astimezone(_zone(calendar.time_zone)).utcoffset() or timedelta()
    return [_profile(calendar.unit, run, offset, now) for run in _runs(calendar)]


def next_clock_change(time_zone: str, after: datetime) -> datetime:
    """Return when the zone's offset changes next; without a known change, when to search again."""
    midnight = after.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = _search(time_zone, midnight)
    return found if found > after else _search(time_zone, found)


def says_the_same(one: Json, other: Json) -> bool:
    """Say whether two profiles set the same limits, however many repetitions apart they begin."""
    return _with_relative_anchor(one) == _with_relative_anchor(other)


@lru_cache(maxsize=4096)
def _search(time_zone: str, after: datetime) -> datetime:
    zone = _zone(time_zone)
    known = after.astimezone(zone).utcoffset()
    moment = after
    while moment < after + LOOK_AHEAD:
        following = moment + _STEP
        if following.astimezone(zone).utcoffset() != known:
            return _bisect(zone, moment, following)
        moment = following
    return moment


@lru_cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _rule(stored: Json) -> CalendarRule:
    start_s, end_s = _seconds(stored["from"]), _seconds(stored["to"])
    if end_s <= start_s:
        end_s += DAY_S
    days = frozenset(DAYS.index(day) for day in stored["days"])
    return CalendarRule(days, start_s, end_s, Limit(stored["limit"], stored["number_phases"]))


def _seconds(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _runs(calendar: Calendar) -> list[_Run]:
    changes, every_s = calendar.week(), WEEK_S
    if not changes:
        constant = calendar.limit_at(_FIRST_MONDAY)
        return [] if constant is None else [_Run(0, DAY_S, DAY_S, ((0, constant),))]
    if set(changes) == {((second + DAY_S) % WEEK_S, limit) for second, limit in changes}:
        changes, every_s = [row for row in changes if row[0] < DAY_S], DAY_S
    starts = [
        number
        for number, (_, limit) in enumerate(changes)
        if limit is not None and changes[number - 1][1] is None
    ]
    # Without a gap the week is one run, and any change can begin it.
    return [_run(changes, number, every_s) for number in starts or [0]]


def _run(changes: Sequence[tuple[int, Limit | None]], first: int, every_s: int) -> _Run:
    start_s = changes[first][0]
    periods: list[tuple[int, Limit]] = []
    for second, limit in [*changes[first:], *changes[:first]]:
        offset_s = (second - start_s) % every_s
        if limit is None:
            return _Run(start_s, every_s, offset_s, tuple(periods))
        periods.append((offset_s, limit))
    return _Run(start_s, every_s, every_s, tuple(periods))


def _profile(unit: str, run: _Run, offset: timedelta, now: datetime) -> Json:
    begun = _FIRST_MONDAY + timedelta(seconds=run.start_s) - offset
    turn = timedelta(seconds=run.every_s)
    anchor = begun + (now - begun) // turn * turn
    return {
        "chargingProfileKind": "Recurring",
        "recurrencyKind": "Daily" if run.every_s == DAY_S else "Weekly",
        "chargingSchedule": {
            "duration": run.duration_s,
            "startSchedule": utc_text(anchor),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [_period(start_s, limit) for start_s, limit in run.periods],
        },
    }


def _period(start_s: int, limit: Limit) -> Json:
    phases = {} if limit.number_phases is None else {"numberPhases": limit.number_phases}
    return {"startPeriod": start_s, "limit": limit.limit, **phases}


def _bisect(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    known = before.astimezone(zone).utcoffset()
    seconds = range(int((after - before).total_seconds()) + 1)
    number = bisect_right(
        seconds,
        False,
        key=lambda second: (before + timedelta(seconds=second)).astimezone(zone).utcoffset() != known,
    )
    return before + timedelta(seconds=number)


def _with_relative_anchor(profile: Json) -> Json:
    if profile["chargingProfileKind"] != "Recurring":
        return profile
    schedule: Json = profile["chargingSchedule"]
    anchor = parse_time(schedule["startSchedule"])
    every_s = DAY_S if profile["recurrencyKind"] == "Daily" else WEEK_S
    offset_s = None if anchor is None else anchor.timestamp() % every_s
    return {**profile, "chargingSchedule": {**schedule, "startSchedule": offset_s}}
