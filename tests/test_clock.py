"""Times as charge points write them (OCPP 1.6 3.15, RFC 3339), and as we do."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import SystemClock, microseconds_of, parse_time, utc_text, utc_text_of

_NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2026-01-31T12:00:00Z", _NOON, id="zulu"),
        pytest.param("2026-01-31T12:00:00.000Z", _NOON, id="milliseconds"),
        pytest.param("2026-01-31t12:00:00z", _NOON, id="lower case"),
        pytest.param("2026-01-31T14:00:00+02:00", _NOON, id="offset"),
        pytest.param("2026-01-31T14:00:00+0200", _NOON, id="offset without colon"),
        pytest.param("2026-01-31T14:00:00+02", _NOON, id="offset of hours only"),
        pytest.param("2026-01-31T06:30:00-05:30", _NOON, id="offset to the west"),
        pytest.param("2026-01-31T12:00:00", _NOON, id="no zone means UTC"),
        pytest.param("2026-01-31 12:00:00Z", _NOON, id="space for T"),
        pytest.param("2026-01-31  12:00:00 Z", _NOON, id="spaces"),
        pytest.param("  2026-01-31T12:00:00Z\n", _NOON, id="around it"),
        pytest.param("2026-1-31T12:00:00Z", _NOON, id="one digit of month"),
        pytest.param("2026-1-31T12:0:0Z", _NOON, id="no leading zeros"),
        pytest.param("2026/01/31 12:00:00", _NOON, id="slashes behind the year"),
        pytest.param("2026.1.31 12:00", _NOON, id="points behind the year"),
        pytest.param("2026-01-30T24:00:00Z", _NOON - timedelta(hours=12), id="the end of a day"),
        pytest.param("2026-01-31T24:00+12:00", _NOON, id="the end of a day in a zone"),
        pytest.param("2025-12-31T24:00:00.000Z", datetime(2026, 1, 1, tzinfo=UTC), id="the end of a year"),
        pytest.param("1769860800", _NOON, id="seconds since 1970"),
        pytest.param("1769860800.0", _NOON, id="a double of seconds since 1970"),
        pytest.param("1769860800250", _NOON.replace(microsecond=250000), id="milliseconds since 1970"),
        pytest.param(
            "1796012312345",
            datetime(2026, 11, 30, 4, 18, 32, 345000, UTC),
            id="milliseconds that could be a day of 1796",
        ),
        pytest.param("2026-01-31T12:00Z", _NOON, id="no seconds"),
        pytest.param("2026-01-31T12:00:00.123456789Z", _NOON.replace(microsecond=123456), id="nanoseconds"),
        pytest.param("2026-01-31T12:00:00,5Z", _NOON.replace(microsecond=500000), id="comma"),
        pytest.param("2026-01-31T11:59:60Z", _NOON, id="leap second"),
        pytest.param("2026-01-31T11:59:60.9Z", _NOON, id="within a leap second"),
        pytest.param("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC), id="date alone"),
        pytest.param("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC), id="a clock never set"),
        pytest.param("2099-12-31T23:59:59Z", datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC), id="far ahead"),
    ],
)
def test_a_readable_time_is_read(text: str, moment: datetime) -> None:
    parsed = parse_time(text)
    assert parsed == moment
    assert parsed is not None
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "12:00:00",
        "2026-02-30T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T24:00:01Z",
        "2026-01-31T24:01:00Z",
        "2026/01-31T12:00:00Z",
        "01/31/2026 12:00:00",
        "31.01.2026 12:00:00",
        "176986080",
        "17698608000",
        "0769860800",
        "-1769860800",
        "1769860800Z",
        "2026-01-31T12:00:00+99:00",
        "0000-00-00T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+02:00",
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:60-12:00",
        "٢٠٢٦-01-31T12:00:00Z",
        "-2026-01-31T12:00:00Z",
    ],
)
def test_an_unreadable_time_is_none(text: str) -> None:
    assert parse_time(text) is None


@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    parsed = parse_time(text)
    assert parsed is None or parsed.tzinfo is UTC


@given(
    st.datetimes(datetime(2, 1, 2), datetime(9998, 12, 30)),
    st.integers(-14 * 60, 14 * 60),
)
def test_what_is_written_is_read_again(naive: datetime, offset_minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert parse_time(moment.isoformat()) == moment
    assert parse_time(utc_text(moment)) == moment - timedelta(microseconds=moment.microsecond % 1000)


@given(st.datetimes(), st.sampled_from([None, 0, 1, 999, 1000, 999_999]))
def test_milliseconds_are_cut_off_and_not_rounded(naive: datetime, microsecond: int | None) -> None:
    moment = naive if microsecond is None else naive.replace(microsecond=microsecond)
    expected = moment.isoformat(timespec="milliseconds") + "Z"
    assert utc_text(moment) == expected
    assert utc_text_of(microseconds_of(moment.replace(tzinfo=UTC))) == expected


@pytest.mark.parametrize(
    "moment",
    [_NOON, _NOON.replace(tzinfo=None), _NOON.astimezone(timezone(timedelta(hours=2)))],
    ids=["utc", "no zone", "another zone"],
)
def test_our_times_are_utc_with_milliseconds(moment: datetime) -> None:
    assert utc_text(moment) == "2026-01-31T12:00:00.000Z"


def test_the_clock_of_the_machine_is_aware_and_grows() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()
