"""The effect of each habit where it matters, as pure values."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.clock import parse_time
from app.quirks.records import NO_HABITS, EnergyUnit, Habits
from app.smart_charging.drift import read_reported
from app.smart_charging.rules.abilities import Abilities, Unit, abilities_of, fit_stack_levels, unit_to_ask
from app.transactions.records import (
    Ending,
    StoppableTransaction,
    TransactionStart,
    TransactionStop,
    WaitingStop,
)
from app.transactions.rules.registers import register_of
from app.transactions.rules.series import SeriesCollector, SeriesRequest
from app.transactions.rules.stops import METER_DECREASED, decide_stops, may_have_ended
from app.transactions.rules.times import reported_time
from tests.support.store import NOW

SHANGHAI = replace(NO_HABITS, time_zone=ZoneInfo("Asia/Shanghai"))


@pytest.mark.parametrize(
    ("absent", "called_wh", "sample", "register"),
    [
        ("Wh", "Wh", {"value": "361"}, 361),
        ("kWh", "Wh", {"value": "361.5"}, 361_500),
        ("kWh", "Wh", {"value": "361.5", "unit": ""}, 361_500),
        ("kWh", "Wh", {"value": "361", "unit": "Wh"}, 361),
        ("Wh", "kWh", {"value": "361", "unit": "Wh"}, 361_000),
        ("Wh", "kWh", {"value": "361", "unit": "kWh"}, 361_000),
        ("Wh", "kWh", {"value": "361"}, 361),
        ("kWh", "kWh", {"value": "1", "unit": "varh"}, None),
        ("kWh", "kWh", {"value": "1", "unit": 7}, None),
    ],
)
def test_the_unit_of_a_register(
    absent: EnergyUnit, called_wh: EnergyUnit, sample: dict[str, Any], register: int | None
) -> None:
    habits = Habits(absent_energy_unit=absent, energy_called_wh=called_wh)
    assert register_of(json.dumps([sample]), habits) == register
    collector = SeriesCollector(SeriesRequest(), habits)
    collector.add(NOW, [sample])
    if register is not None:
        (series,) = collector.series(None, None)
        assert (series.key.unit, series.points[0].value) == ("Wh", Decimal(register))


def test_power_keeps_its_unit() -> None:
    collector = SeriesCollector(SeriesRequest(), Habits("kWh", "kWh"))
    collector.add(NOW, [{"value": "500", "measurand": "Power.Active.Import", "unit": "W"}])
    (series,) = collector.series(None, None)
    assert (series.key.unit, series.points[0].value) == ("W", Decimal(500))


def test_a_register_in_kwh_that_is_known_gets_no_flag() -> None:
    for habits, flags in ((NO_HABITS, ["register_in_kwh"]), (Habits(energy_called_wh="kWh"), [])):
        collector = SeriesCollector(SeriesRequest(), habits)
        collector.add(NOW, [{"value": "18.2", "unit": "Wh"}])
        assert collector.series(18_000, None)[0].flags == flags


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T20:00:00", "2026-03-01T12:00:00+00:00"),
        ("2026-03-01 20:00:00", "2026-03-01T12:00:00+00:00"),
        ("2026-3-1 20:00", "2026-03-01T12:00:00+00:00"),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00+00:00"),
        ("2026-03-01 12:00:00.1234567Z", "2026-03-01T12:00:00.123456+00:00"),
        ("2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00+00:00"),
        ("2026-03-01T13:00:00+01", "2026-03-01T12:00:00+00:00"),
    ],
)
def test_a_time_without_a_zone_is_that_of_the_charge_point(text: str, moment: str) -> None:
    expected = datetime.fromisoformat(moment)
    assert reported_time(text, NOW, SHANGHAI.time_zone) == (expected, ())
    assert parse_time(text, SHANGHAI.time_zone) == expected


def test_a_reported_schedule_without_a_zone_begins_there() -> None:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]}
    result = {"status": "Accepted", "scheduleStart": "2026-03-01T20:00:00", "chargingSchedule": schedule}
    for zone, hour in ((SHANGHAI.time_zone, 12), (UTC, 20)):
        reported = read_reported(result, NOW, 60, zone)
        assert reported is not None
        assert reported.start == datetime(2026, 3, 1, hour, tzinfo=UTC)


def test_summer_time_and_the_ends_of_the_calendar_are_read() -> None:
    amsterdam = ZoneInfo("Europe/Amsterdam")
    assert parse_time("2026-07-01T12:00:00", amsterdam) == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert parse_time("2026-03-29T02:30:00", amsterdam) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert parse_time("0001-01-01T00:00:00", amsterdam) is None
    assert parse_time("9999-12-31T23:59:59", amsterdam) is None
    assert parse_time("2026-07-01T12:00:00") == datetime(2026, 7, 1, 12, tzinfo=UTC)


def session(meter_start_wh: int) -> StoppableTransaction:
    return StoppableTransaction(7, 1, 2, 1, "tag", NOW, meter_start_wh)


def stop(habits: Habits, meter_stop_wh: int) -> TransactionStop:
    at = NOW + timedelta(hours=1)
    return TransactionStop(1, 2, 7, at, at, meter_stop_wh, habits=habits)


@pytest.mark.parametrize(
    ("session_meter", "began", "ended", "flags"),
    [
        (False, 8000, 5000, (METER_DECREASED,)),
        (True, 8000, 5000, ()),
        (True, 0, 5000, ()),
        (False, 0, 5000, ()),
        (True, 5000, 8000, ()),
    ],
)
def test_a_session_meter_does_not_run_backwards(
    session_meter: bool, began: int, ended: int, flags: tuple[str, ...]
) -> None:
    habits = Habits(session_meter=session_meter)
    (decision,) = decide_stops([stop(habits, ended)], [session(began)], {})
    assert decision.closing is not None
    assert decision.closing.flags == flags
    assert decision.closing.ending.meter_stop_wh == ended, "the record stays as it was sent"


@pytest.mark.parametrize(
    ("session_meter", "flags"), [(False, ["register_restarted"]), (True, [])], ids=["register", "session"]
)
def test_a_series_of_a_session_meter_may_begin_again(session_meter: bool, flags: list[str]) -> None:
    collector = SeriesCollector(SeriesRequest(), Habits(session_meter=session_meter))
    for minute, value in enumerate(("8000", "0", "300")):
        collector.add(NOW + timedelta(minutes=minute), [{"value": value}])
    (series,) = collector.series(8000, None)
    assert series.flags == flags
    assert [int(point.value) for point in series.points] == [8000, 0, 300]


def test_a_stop_that_came_first_may_have_the_lower_register() -> None:
    at = NOW + timedelta(hours=1)
    waiting = WaitingStop(1, 1, 2, at, Ending(at, 5000, "Local", None), {})
    start = TransactionStart(1, 2, 1, "TAG", NOW, at, 8000)
    assert not may_have_ended(waiting, start)
    assert may_have_ended(waiting, replace(start, habits=Habits(session_meter=True)))


@pytest.mark.parametrize(
    ("least", "levels", "sent"),
    [
        (0, [0], [0]),
        (1, [0], [1]),
        (1, [1], [1]),
        (1, [4], [4]),
        (3, [0, 1, 2], [3, 4, 5]),
        (2, [1, 5], [2, 6]),
        (2, [2, 5], [2, 5]),
    ],
)
def test_stack_levels_are_raised_together(least: int, levels: list[int], sent: list[int]) -> None:
    profiles = [{"stackLevel": level, "chargingProfileId": level} for level in levels]
    fitted = fit_stack_levels(profiles, Abilities(least_stack_level=least))
    assert [profile["stackLevel"] for profile in fitted] == sent
    assert [profile["stackLevel"] for profile in profiles] == levels


@pytest.mark.parametrize(
    ("habit", "reported", "wanted", "asked"),
    [
        (None, None, "A", "A"),
        ("W", None, "A", "W"),
        ("W", frozenset({"A"}), "A", "W"),
        ("A", frozenset({"A", "W"}), "W", "A"),
        (None, frozenset({"W"}), "A", "W"),
    ],
)
def test_the_unit_of_a_composite_schedule(
    habit: Unit | None, reported: frozenset[Unit] | None, wanted: Unit, asked: Unit
) -> None:
    abilities = replace(abilities_of([], Habits(composite_schedule_unit=habit)), units=reported)
    assert unit_to_ask(wanted, abilities, []) == asked
