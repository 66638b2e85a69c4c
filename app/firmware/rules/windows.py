"""Maintenance windows: times of each week by the clocks of a zone. Pure values; `now` is a parameter."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.errors import FieldViolation, InvalidInput
from app.firmware.records import MaintenanceWindow
from app.smart_charging.calendar import DAY_S, DAYS
from app.types import Json

_SEARCHED_DAYS: Final = 9
"""A window of one day of the week opens within eight days, and a clock change may take one away."""


def window_of(stored: Json | None) -> MaintenanceWindow | None:
    """Read a window in the form of the API. An end at or before the start is on the next morning."""
    if stored is None:
        return None
    start_s, end_s = _seconds(stored["from"]), _seconds(stored["to"])
    if end_s <= start_s:
        end_s += DAY_S
    days = frozenset(DAYS.index(day) for day in stored["days"])
    return MaintenanceWindow(stored["time_zone"], days, start_s, end_s)


def require_length(start: str, end: str, pointer: str) -> None:
    """Refuse a window without length.

    Raises:
        InvalidInput: start and end are the same time of day.
    """
    if _seconds(start) % DAY_S == _seconds(end) % DAY_S and (start, end) != ("00:00", "24:00"):
        detail = "is the same time as `from`: a whole day is from 00:00 to 24:00"
        raise InvalidInput([FieldViolation(pointer, "empty_window", detail)])


def closes_at(window: MaintenanceWindow, now: datetime) -> datetime | None:
    """Return when the window that is open now closes; None: it is closed."""
    today = now.astimezone(ZoneInfo(window.time_zone)).date()
    for day in (today - timedelta(days=1), today):
        opened, closed = _opening(window, day)
        if day.weekday() in window.days and opened <= now < closed:
            return closed
    return None


def opens_at(window: MaintenanceWindow, now: datetime) -> datetime:
    """Return when the window is open next, which is now if it is open."""
    if closes_at(window, now) is not None:
        return now
    today = now.astimezone(ZoneInfo(window.time_zone)).date()
    for number in range(_SEARCHED_DAYS):
        day = today + timedelta(days=number)
        opened, closed = _opening(window, day)
        if day.weekday() in window.days and now < opened < closed:
            return opened
    return now + timedelta(days=1)


def _opening(window: MaintenanceWindow, day: date) -> tuple[datetime, datetime]:
    return _moment(window, day, window.start_s), _moment(window, day, window.end_s)


def _moment(window: MaintenanceWindow, day: date, second: int) -> datetime:
    local = datetime.combine(day, time()) + timedelta(seconds=second)
    return local.replace(tzinfo=ZoneInfo(window.time_zone)).astimezone(UTC)


def _seconds(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return int(hours) * 3600 + int(minutes) * 60
