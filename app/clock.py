"""The clock as a parameter, and the time texts of the standard (OCPP 1.6 3.15, RFC 3339).

World time is an aware UTC `datetime`, or microseconds since 1970 (`_us`) where every frame needs it.
Deadlines are monotonic seconds. The two never mix.
"""

import functools
import re
import time
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, timezone, tzinfo
from typing import Final, Protocol
from zoneinfo import available_timezones

import orjson

PLAUSIBLE_FROM: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""A clock that was never set starts in 1970 or 2000. A time before this one says nothing about order."""

_DAY_US: Final = 86_400_000_000
_MINUTE_US: Final = 60_000_000
_MINUTES: Final = tuple(f"{minute // 60:02}:{minute % 60:02}:" for minute in range(1440))
_SECONDS: Final = tuple(f"{second:02}." for second in range(60))
_MILLISECONDS: Final = tuple(f"{millisecond:03}Z" for millisecond in range(1000))


class Clock(Protocol):
    """The source of time of all modules. Tests replace it."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""

    def now_us(self) -> int:
        """Return the current time in microseconds since 1970."""

    def monotonic(self) -> float:
        """Return monotonic seconds, for deadlines."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)

    def now_us(self) -> int:
        """Return the current time in microseconds since 1970."""
        return time.time_ns() // 1000

    monotonic = staticmethod(time.monotonic)
    """Return monotonic seconds, for deadlines, on the scale of the event loop."""


def is_time_zone(name: str) -> bool:
    """Say whether a name is the IANA name of a time zone, which means the same on every server."""
    return name in _zone_names()


@functools.lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    # `localtime` is the setting of this machine, and `Factory` means that it is not set.
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def utc_text(moment: datetime) -> str:
    """Return RFC 3339 UTC with milliseconds: `2026-01-01T00:00:00.000Z`. A naive time counts as UTC."""
    if moment.tzinfo is not UTC:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    # A list has hundreds of times, and `isoformat` takes three times as long. This is a text in quotes, which
    # has six digits behind the seconds, or none if they are all zero.
    quoted = orjson.dumps(moment)
    return quoted[1:24].decode() + "Z" if moment.microsecond else quoted[1:20].decode() + ".000Z"


def utc_text_of(moment_us: int) -> str:
    """Return the same text for microseconds since 1970. Its pieces are ready: a list needs it 250 times."""
    days, rest_us = divmod(moment_us, _DAY_US)
    minutes, rest_us = divmod(rest_us, _MINUTE_US)
    seconds, rest_us = divmod(rest_us, 1_000_000)
    return _day_text(days) + _MINUTES[minutes] + _SECONDS[seconds] + _MILLISECONDS[rest_us // 1000]


@functools.lru_cache(maxsize=1024)
def _day_text(days: int) -> str:
    return f"{(_EPOCH + timedelta(days)).date().isoformat()}T"


def moment_of(moment_us: int) -> datetime:
    """Return the aware UTC `datetime` of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=moment_us)


def optional_moment(moment_us: int | None) -> datetime | None:
    """Return the same of microseconds that may be absent."""
    return None if moment_us is None else moment_of(moment_us)


def microseconds_of(moment: datetime) -> int:
    """Return the microseconds since 1970 of an aware `datetime`, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_TEXT = re.compile(
    r"""(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})
        (?:[Tt\ _]+(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:[.,](?P<fraction>\d+))?)?)?
        \s*(?:(?P<zulu>[Zz])|(?P<sign>[+-])(?P<zone_hour>\d{1,2}):?(?P<zone_minute>\d{2})?)?""",
    re.VERBOSE | re.ASCII,
)
_MILLISECOND_DIGITS = 13
_UNIX = re.compile(r"(?P<second>[1-9]\d{9})(?P<millisecond>\d{3})?(?:[.]\d*)?", re.ASCII)
"""Seconds or milliseconds since 1970, of the years 2001 to 2286; a fraction is cut off. Any other number may
be something else."""


def parse_time(text: str, zone: tzinfo = UTC) -> datetime | None:
    """Read the time text of a charge point tolerantly. Return aware UTC; None: it cannot be read.

    Real chargers omit the zone (read as that of `zone`), write `+02`, a space for the T, nanoseconds (cut to
    microseconds), the leap second `:60` (read as the second after it), 24:00 (the end of the day),
    numbers without leading zeros, slashes or points behind the year, or seconds or milliseconds since 1970.
    The years 1 and 9999 count as unreadable: they are the unset and the largest value of common date types,
    and infinite in PostgreSQL.
    """
    try:
        # Nearly every text is read here, by the C parser. It costs a tenth of the pattern below. It would
        # take some numbers of milliseconds for a day of the year 1796.
        moment = datetime.fromisoformat("" if text.isdigit() and len(text) == _MILLISECOND_DIGITS else text)
        if moment.tzinfo is not UTC:
            moment = (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        written = text.strip()
        unix = _UNIX.fullmatch(written)
        if unix is not None:
            return _EPOCH + timedelta(seconds=int(unix["second"]), milliseconds=int(unix["millisecond"] or 0))
        match = _TEXT.fullmatch(written)
        if match is None:
            return None
        try:
            moment = _from_match(match, zone)
        except (ValueError, OverflowError):
            return None
    return moment if MINYEAR < moment.year < MAXYEAR else None


def _from_match(match: re.Match[str], zone: tzinfo) -> datetime:
    second = int(match["second"] or 0)
    leap = second == 60
    microsecond = int(((match["fraction"] or "") + "000000")[:6])
    hour, minute = int(match["hour"] or 0), int(match["minute"] or 0)
    # ISO 8601 writes the midnight that ends a day as 24:00.
    ends_day = (hour, minute, second, microsecond) == (24, 0, 0, 0)
    moment = datetime(
        int(match["year"]),
        int(match["month"]),
        int(match["day"]),
        0 if ends_day else hour,
        minute,
        59 if leap else second,
        0 if leap else microsecond,
        tzinfo=_zone(match, zone),
    )
    return (moment + timedelta(days=1 if ends_day else 0, seconds=1 if leap else 0)).astimezone(UTC)


def _zone(match: re.Match[str], zone: tzinfo) -> tzinfo:
    if match["sign"] is None:
        return zone if match["zulu"] is None else UTC
    offset = timedelta(hours=int(match["zone_hour"]), minutes=int(match["zone_minute"] or 0))
    return timezone(-offset if match["sign"] == "-" else offset)
