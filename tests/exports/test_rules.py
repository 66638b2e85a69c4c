"""Months are exported two days after their end, and dropped when their time to be kept is over."""

from datetime import UTC, datetime, timedelta

import pytest

from app.exports.records import EndedPartition, WrittenFile
from app.exports.rules import is_expired, is_ours, partition_to_export

FEBRUARY, MARCH = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("until", "now", "is_exported"),
    [
        (MARCH, MARCH + timedelta(days=2), True),
        (MARCH, MARCH + timedelta(days=2, microseconds=-1), False),
        (None, MARCH + timedelta(days=900), False),
    ],
    ids=["two days after its end", "before that", "the default one"],
)
def test_a_month_is_exported_when_its_late_samples_have_come(
    until: datetime | None, now: datetime, is_exported: bool
) -> None:
    assert (partition_to_export("name", FEBRUARY, until, now) is not None) is is_exported


def test_the_first_partition_has_all_earlier_rows() -> None:
    found = partition_to_export("name", None, MARCH, MARCH + timedelta(days=3))
    assert found == EndedPartition("name", datetime(1, 1, 1, tzinfo=UTC), MARCH)


@pytest.mark.parametrize(
    ("retention_days", "now", "expected"),
    [
        (None, MARCH + timedelta(days=36_500), False),
        (31, MARCH + timedelta(days=31), True),
        (31, MARCH + timedelta(days=31, microseconds=-1), False),
    ],
)
def test_a_month_is_dropped_only_if_a_retention_is_set_and_over(
    retention_days: int | None, now: datetime, expected: bool
) -> None:
    assert is_expired(EndedPartition("name", FEBRUARY, MARCH), now, retention_days) is expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, False),
        (WrittenFile("place", "path", "found", None), True),
        (WrittenFile("place", "path", "older", "found"), True),
        (WrittenFile("place", "path", "older", "newer"), False),
        (WrittenFile("another", "path", "found", None), False),
        (WrittenFile("place", "another", "found", None), False),
    ],
)
def test_only_a_file_that_this_database_has_written_is_replaced(
    written: WrittenFile | None, expected: bool
) -> None:
    assert is_ours("found", "place", "path", written) is expected
