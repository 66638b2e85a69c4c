"""Maintenance windows by the clocks of a zone."""

from datetime import UTC, datetime

import pytest

from app.errors import InvalidInput
from app.firmware.rules.windows import closes_at, opens_at, require_length, window_of

NIGHT = {"time_zone": "Europe/Brussels", "days": ["Mon", "Sat"], "from": "23:00", "to": "05:00"}


def utc(day: int, hour: int, minute: int = 0, month: int = 5) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        # Monday, 4 May. Brussels has UTC+2.
        (utc(4, 20, 59), None),
        (utc(4, 21), utc(5, 3)),
        (utc(5, 2, 59), utc(5, 3)),
        (utc(5, 3), None),
        (utc(5, 22), None),
        # The clocks go forward on Sunday, 29 March, at 01:00 UTC.
        (utc(28, 23, month=3), utc(29, 3, month=3)),
        # They go back on Sunday, 25 October, at 01:00 UTC.
        (utc(24, 23, month=10), utc(25, 4, month=10)),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_opens(
    now: datetime, closes: datetime | None
) -> None:
    window = window_of(NIGHT)
    assert window is not None
    assert closes_at(window, now) == closes


def test_the_next_opening() -> None:
    window = window_of(NIGHT)
    assert window is not None
    assert opens_at(window, utc(4, 12)) == utc(4, 21)
    assert opens_at(window, utc(4, 22)) == utc(4, 22)
    assert opens_at(window, utc(5, 12)) == utc(9, 21)


def test_a_whole_day_is_open_all_day() -> None:
    window = window_of({"time_zone": "UTC", "days": ["Mon"], "from": "00:00", "to": "24:00"})
    assert window is not None
    assert closes_at(window, utc(4, 0)) == utc(5, 0)
    assert closes_at(window, utc(5, 0)) is None


@pytest.mark.parametrize(("start", "end"), [("01:00", "01:00"), ("00:00", "00:00")])
def test_a_window_without_length_is_refused(start: str, end: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_length(start, end, "/window/to")
    assert refused.value.field == "/window/to"


def test_a_window_until_midnight_has_a_length() -> None:
    require_length("23:00", "24:00", "/window/to")
    require_length("00:00", "24:00", "/window/to")
