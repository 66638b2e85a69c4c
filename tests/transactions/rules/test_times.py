"""When something happened, from what charge points report."""

from datetime import UTC, datetime, timedelta

import pytest

from app.transactions.records import TIME_IMPLAUSIBLE, TIME_MISSING, TIME_UNREADABLE
from app.transactions.rules.times import reported_time

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T11:59:00Z", NOW - timedelta(minutes=1)),
        ("2026-03-01T13:59:00+02:00", NOW - timedelta(minutes=1)),
        ("2026-03-01 11:59:00", NOW - timedelta(minutes=1)),
        ("2026-03-01T13:00:00Z", NOW + timedelta(hours=1)),
        ("2015-01-01T00:00:00Z", datetime(2015, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_that_says_something_counts(text: str, moment: datetime) -> None:
    assert reported_time(text, NOW) == (moment, ())


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        (None, TIME_MISSING),
        ("", TIME_MISSING),
        ("now", TIME_UNREADABLE),
        ("0001-01-01T00:00:00Z", TIME_UNREADABLE),
        (17, TIME_UNREADABLE),
        ("1970-01-01T00:00:00Z", TIME_IMPLAUSIBLE),
        ("2000-01-01T00:00:00Z", TIME_IMPLAUSIBLE),
        ("2014-12-31T23:59:59Z", TIME_IMPLAUSIBLE),
        ("2026-03-01T13:00:01Z", TIME_IMPLAUSIBLE),
        ("2026-03-01T21:00:00Z", TIME_IMPLAUSIBLE),
        ("2099-01-01T00:00:00Z", TIME_IMPLAUSIBLE),
    ],
)
def test_another_one_is_replaced_by_the_arrival_and_flagged(text: object, flag: str) -> None:
    assert reported_time(text, NOW) == (NOW, (flag,))
