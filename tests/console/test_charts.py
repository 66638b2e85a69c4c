"""The lines of charts say what the samples and schedules say."""

from datetime import timedelta
from decimal import Decimal

import pytest

from app.clock import utc_text
from app.console.charts import charge_line, cut_after, energy_line, limit_line, power_line, summary_of
from app.transactions.rules.series import Point, Series, SeriesFlag, SeriesKey
from tests.support.api import NOW

BEGIN = NOW.timestamp()


def series(
    measurand: str, unit: str, *values: float, phase: str | None = None, flags: tuple[SeriesFlag, ...] = ()
) -> Series:
    points = [
        Point(NOW + timedelta(minutes=minute), Decimal(str(value))) for minute, value in enumerate(values)
    ]
    return Series(SeriesKey(measurand, phase, "Outlet", unit), None, list(flags), points)


def values(line: object) -> list[float | None]:
    points: list[tuple[float, float | None]] = line.points  # type: ignore[attr-defined]
    return [value for _, value in points]


def test_power_of_the_whole_counts_before_that_of_phases() -> None:
    found = [
        series("Power.Active.Import", "W", 1000, phase="L1"),
        series("Power.Active.Import", "W", 7400, 7200),
    ]
    assert values(power_line(found)) == [7.4, 7.2]


def test_phases_are_added_where_each_has_a_value() -> None:
    found = [
        series("Power.Active.Import", "W", 1000, 2000, phase="L1"),
        series("Power.Active.Import", "W", 1500, phase="L2"),
        series("Power.Active.Import", "W", 9000, phase="N"),
    ]
    assert values(power_line(found)) == [2.5]
    assert power_line([]) is None


@pytest.mark.parametrize(
    ("register", "meter_start_wh", "flags", "energy"),
    [
        ((20_000, 21_500), 19_000, (), [1.0, 2.5]),
        ((20_000, 21_500), None, (), [0.0, 1.5]),
        ((20, 21.5), 20_000, ("register_in_kwh",), [0.0, 1.5]),
    ],
)
def test_energy_counts_from_the_start(
    register: tuple[float, ...],
    meter_start_wh: int | None,
    flags: tuple[SeriesFlag, ...],
    energy: list[float],
) -> None:
    found = [series("Energy.Active.Import.Register", "Wh", *register, flags=flags)]
    assert values(energy_line(found, meter_start_wh)) == energy


def test_limits_are_steps_that_end_with_their_schedule() -> None:
    schedule = {
        "scheduleStart": utc_text(NOW),
        "duration": 3600,
        "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 11_000},
            {"startPeriod": 600, "limit": None},
            {"startPeriod": 1200, "limit": 3700},
        ],
    }
    line = limit_line("Limit", schedule, "step", "absent")
    assert line.points == [(BEGIN, 11.0), (BEGIN + 600, None), (BEGIN + 1200, 3.7), (BEGIN + 3600, 3.7)]
    cut = cut_after(line, NOW + timedelta(seconds=900))
    assert cut.points == [(BEGIN, 11.0), (BEGIN + 600, None), (BEGIN + 900, None)]
    assert cut_after(line, NOW).points == []


def test_a_summary_says_what_the_lines_show() -> None:
    found = [
        series("Power.Active.Import", "W", 7400, 5000),
        series("SoC", "Percent", 20, 80),
        series("Energy.Active.Import.Register", "Wh", 1000, 3500),
    ]
    lines = [line for line in (power_line(found), charge_line(found), energy_line(found, 1000)) if line]
    assert summary_of(lines) == (
        "The highest power was 7.4 kW, the last one 5.0 kW. The state of charge went from 20 to 80 %. "
        "The energy rose to 2.50 kWh."
    )


@pytest.mark.parametrize(
    ("watts", "said"), [((7400, 7400), "Limit: 7.4 kW."), ((7400, 3700), "Limit: 3.7 to 7.4 kW.")]
)
def test_a_limit_that_does_not_change_is_said_once(watts: tuple[int, int], said: str) -> None:
    periods = [{"startPeriod": 600 * place, "limit": limit} for place, limit in enumerate(watts)]
    schedule = {"scheduleStart": utc_text(NOW), "duration": 1200, "chargingSchedulePeriod": periods}
    assert summary_of([limit_line("Limit", schedule, "step", "absent")]) == said
