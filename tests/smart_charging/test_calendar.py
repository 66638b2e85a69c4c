"""Compiled calendars against the clocks on the wall, minute by minute, across clock changes of many zones."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import parse_time
from app.smart_charging.calendar import (
    DAYS,
    LOOK_AHEAD,
    Calendar,
    Limit,
    compile_calendar,
    next_clock_change,
    says_the_same,
)

Json = dict[str, Any]
MINUTE = timedelta(minutes=1)
_RECURRENCE_S = {"Daily": 86_400, "Weekly": 604_800}


def has_clock_changes(name: str) -> bool:
    moments = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 4, 7, 10)]
    return len({moment.astimezone(ZoneInfo(name)).utcoffset() for moment in moments}) > 1


ZONES = sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
CHANGING_ZONES = [name for name in ZONES if has_clock_changes(name)]

limits = st.integers(0, 320).map(lambda tenths: tenths / 10)
phases = st.sampled_from([None, 1, 3])
times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))


@st.composite
def rules(draw: st.DrawFn) -> Json:
    start = draw(times)
    return {
        "days": draw(st.lists(st.sampled_from(DAYS), min_size=1, unique=True)),
        "from": start,
        "to": draw(st.one_of(st.just("24:00"), times.filter(lambda end: end != start))),
        "limit": draw(limits),
        "number_phases": draw(phases),
    }


@st.composite
def calendars(draw: st.DrawFn, zones: list[str]) -> Calendar:
    stored = {
        "time_zone": draw(st.sampled_from(zones)),
        "unit": "A",
        "rules": draw(st.lists(rules(), min_size=1, max_size=4)),
        "otherwise": draw(st.one_of(st.none(), limits)),
        "number_phases": draw(phases),
    }
    return Calendar.of(stored)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC))


@cache
def anchor_of(text: str) -> datetime:
    """Read a time once: a test asks for each minute of weeks."""
    anchor = parse_time(text)
    assert anchor is not None
    return anchor


def limit_of(profile: Json, moment: datetime) -> Limit | None:
    """Return the limit of one recurring profile at a moment, read directly from OCPP 1.6 7.8 to 7.14."""
    schedule = profile["chargingSchedule"]
    anchor = anchor_of(schedule["startSchedule"])
    if moment < anchor:
        return None
    offset_s = (moment - anchor).total_seconds() % _RECURRENCE_S[profile["recurrencyKind"]]
    if offset_s >= schedule["duration"]:
        return None
    period = [row for row in schedule["chargingSchedulePeriod"] if row["startPeriod"] <= offset_s][-1]
    return Limit(period["limit"], period.get("numberPhases"))


def holding(profiles: list[Json], moment: datetime) -> Limit | None:
    found = [limit for limit in (limit_of(profile, moment) for profile in profiles) if limit is not None]
    # The runs of one calendar never overlap, so their stack levels do not matter.
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(calendars(CHANGING_ZONES), moments.filter(lambda moment: moment.year > 2024))
def test_re_issued_at_each_change_it_follows_the_clocks_minute_by_minute(
    calendar: Calendar, moment: datetime
) -> None:
    change = next_clock_change(calendar.time_zone, moment)
    assert moment < change < moment + LOOK_AHEAD
    issued_at = max(moment, change - timedelta(days=2))
    profiles = compile_calendar(calendar, issued_at)
    at = issued_at.replace(second=0, microsecond=0) + MINUTE
    while at < change + timedelta(days=8):
        if at >= change > at - MINUTE:
            profiles = compile_calendar(calendar, change)
        assert holding(profiles, at) == calendar.limit_at(at), at
        at += MINUTE


@settings(max_examples=200, deadline=None)
@given(calendars(ZONES), moments)
def test_between_changes_it_needs_no_new_issue(calendar: Calendar, moment: datetime) -> None:
    profiles = compile_calendar(calendar, moment)
    last = next_clock_change(calendar.time_zone, moment) - timedelta(seconds=1)
    again = compile_calendar(calendar, last)
    assert len(profiles) == len(again)
    for before, after in zip(profiles, again, strict=True):
        assert says_the_same(before, after)
    for hours in range(0, 9 * 24, 7):
        at = moment + timedelta(hours=hours)
        if at <= last:
            assert holding(profiles, at) == calendar.limit_at(at)


@settings(max_examples=200, deadline=None)
@given(calendars(ZONES), moments)
def test_the_profiles_are_well_formed_and_as_few_as_there_are_gaps(
    calendar: Calendar, moment: datetime
) -> None:
    profiles = compile_calendar(calendar, moment)
    for profile in profiles:
        schedule = profile["chargingSchedule"]
        starts = [row["startPeriod"] for row in schedule["chargingSchedulePeriod"]]
        assert starts[0] == 0
        assert starts == sorted(set(starts))
        assert starts[-1] < schedule["duration"] <= _RECURRENCE_S[profile["recurrencyKind"]]
        anchor = parse_time(schedule["startSchedule"])
        assert anchor is not None
        assert anchor <= moment
        rows = schedule["chargingSchedulePeriod"]
        pairs = pairwise(rows)
        assert all(
            (one["limit"], one.get("numberPhases")) != (two["limit"], two.get("numberPhases"))
            for one, two in pairs
        )
    if calendar.otherwise is not None:
        assert len(profiles) == 1


def calendar(otherwise: float | None, *rows: Json, zone: str = "Europe/Brussels") -> Calendar:
    plain = [{"number_phases": None, **row} for row in rows]
    return Calendar.of(
        {"time_zone": zone, "unit": "A", "rules": plain, "otherwise": otherwise, "number_phases": None}
    )


PEAK = {"days": list(DAYS[:5]), "from": "17:00", "to": "20:00", "limit": 8}
MONDAY = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def test_weekdays_with_a_limit_otherwise_are_one_weekly_profile() -> None:
    (profile,) = compile_calendar(calendar(32, PEAK), MONDAY)
    schedule = profile["chargingSchedule"]
    assert profile["recurrencyKind"] == "Weekly"
    # Brussels is at UTC+1 in winter; the last Monday 17:00 before now is last week's.
    assert schedule["startSchedule"] == "2026-02-23T16:00:00.000Z"
    assert len(schedule["chargingSchedulePeriod"]) == 10


def test_weekdays_without_one_are_a_profile_for_each_day() -> None:
    profiles = compile_calendar(calendar(None, PEAK), MONDAY)
    assert [profile["chargingSchedule"]["duration"] for profile in profiles] == [10_800] * 5


def test_the_same_every_day_is_one_daily_profile() -> None:
    (profile,) = compile_calendar(calendar(None, {**PEAK, "days": list(DAYS)}), MONDAY)
    assert (profile["recurrencyKind"], profile["chargingSchedule"]["duration"]) == ("Daily", 10_800)


def test_a_night_past_midnight_belongs_to_the_day_it_began() -> None:
    night = calendar(None, {"days": ["Sun"], "from": "22:00", "to": "06:00", "limit": 16})
    sunday = datetime(2026, 3, 1, 21, 0, tzinfo=UTC)
    held = [night.limit_at(sunday + timedelta(hours=hours)) for hours in (-1, 0, 7, 8)]
    assert held == [None, Limit(16), Limit(16), None]


def test_nothing_that_changes_is_one_period() -> None:
    (profile,) = compile_calendar(calendar(10, {**PEAK, "limit": 10}), MONDAY)
    assert profile["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 10}]


def test_the_clock_change_is_found_to_the_second() -> None:
    assert next_clock_change("Europe/Brussels", MONDAY) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    change = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    before, after = change - timedelta(seconds=1), change + timedelta(seconds=1)
    assert next_clock_change("Europe/Brussels", before) == change
    for moment in (change, after):
        assert next_clock_change("Europe/Brussels", moment) == datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    assert next_clock_change("Asia/Tokyo", MONDAY) > MONDAY + LOOK_AHEAD - timedelta(days=1)
