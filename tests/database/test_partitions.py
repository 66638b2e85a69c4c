"""Partitions are made ahead of their time, without a gap, and a row always has the same place."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.database import partitions
from app.database.partitions import EVENTS, FRAME_RUNS, METER_VALUES, Partition

NOW = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
_INSERT = """
    insert into meter_values (tenant_id, charge_point_id, connector_id, sampled_at, received_at, context,
        sampled_values, digest)
    values (1, 1, 1, $1, now(), 'periodic', '[]', 5) on conflict do nothing returning tableoid::regclass::text
"""


def _count(what: str) -> float:
    return REGISTRY.get_sample_value(f"stationmaster_partitions_{what}_total", {"table": "frame_runs"}) or 0


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.execute("delete from meter_values where tenant_id = 1 and charge_point_id = 1")
    await opened.close()


@pytest.mark.parametrize(
    ("table", "until", "expected"),
    [
        (
            METER_VALUES,
            datetime(2026, 12, 1, tzinfo=UTC),
            [(2026, 12, 1), (2027, 1, 1), (2027, 2, 1), (2027, 3, 1)],
        ),
        (METER_VALUES, datetime(2027, 4, 1, tzinfo=UTC), []),
        (FRAME_RUNS, datetime(2027, 1, 2, tzinfo=UTC), [(2027, 1, 2), (2027, 1, 3)]),
    ],
)
def test_missing_periods_follow_each_other(table: Any, until: datetime, expected: list[Any]) -> None:
    known = [Partition("before", datetime(2020, 1, 1, tzinfo=UTC)), Partition("last", until)]
    found = list(partitions.missing_periods(table, [*known, Partition("other", None)], NOW))
    assert [(since.year, since.month, since.day) for since, _ in found] == expected
    assert [since for since, _ in found[1:]] == [until for _, until in found[:-1]]


async def test_what_is_dated_later_moves_into_its_month_and_a_retry_finds_it(
    connection: "asyncpg.Connection[Any]", database_url: str
) -> None:
    now = datetime.now(UTC)
    far = now + timedelta(days=400)
    assert await connection.fetchval(_INSERT, far) == "meter_values_other"
    await partitions.make_partitions_of(database_url, far)
    place = await connection.fetchval("select tableoid::regclass::text from meter_values where digest = 5")
    assert place == f"meter_values_{far:%Y_%m}_01"
    assert await connection.fetchval(_INSERT, far) is None
    before = len(await partitions.partitions_of(connection, METER_VALUES))
    await partitions.make_partitions_of(database_url, far)
    assert len(await partitions.partitions_of(connection, METER_VALUES)) == before


async def test_a_clock_that_is_ahead_ends_no_retention(connection: "asyncpg.Connection[Any]") -> None:
    now = datetime.now(UTC)
    age = timedelta(days=30)
    ends = [
        await partitions.end_of_retention(connection, now + timedelta(days=days), age) for days in (-5, 900)
    ]
    assert ends[0] == now - timedelta(days=35)
    assert abs(ends[1] - (now - age)) < timedelta(minutes=5)


async def test_what_is_made_and_dropped_is_told_and_counted(
    connection: "asyncpg.Connection[Any]", database_url: str
) -> None:
    far = (await partitions.newest_ends(connection))["frame_runs"] + timedelta(days=2)
    made, dropped = _count("made"), _count("dropped")
    with capture_logs() as logs:
        await partitions.make_partitions_of(database_url, far)
        number = await partitions.drop_partitions(connection, FRAME_RUNS, far)
    told = [(record["event"], record["partition"]) for record in logs]
    name = f"frame_runs_{far - timedelta(days=1):%Y_%m_%d}"
    assert ("partition_made", name) in told
    assert ("partition_dropped", name) in told
    assert _count("made") - made == sum(event == "partition_made" and "frame" in one for event, one in told)
    assert _count("dropped") - dropped == number
    left = await partitions.partitions_of(connection, FRAME_RUNS)
    assert {one.until for one in left if one.until is not None and one.until <= far} == set()
    assert any(one.until is None for one in left)


async def test_upkeep_gives_up_soon_while_others_hold_the_lock_of_a_table(
    connection: "asyncpg.Connection[Any]", database_url: str
) -> None:
    far = max((await partitions.newest_ends(connection)).values()) + timedelta(days=2)
    async with connection.transaction():
        await connection.execute("lock table only events_other in access share mode")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await partitions.make_partitions_of(database_url, far)
    ends = await partitions.newest_ends(connection)
    # Tables that are not locked have theirs, and the other one gets them at the next try.
    assert ends["meter_values"] > far
    assert ends["events"] < far
    await partitions.make_partitions_of(database_url, far)
    assert (await partitions.newest_ends(connection))["events"] > far


async def test_a_table_whose_lock_others_hold_is_dropped_from_later(
    connection: "asyncpg.Connection[Any]", database_url: str
) -> None:
    far = (await partitions.newest_ends(connection))["events"]
    reader = await asyncpg.connect(database_url)
    try:
        async with reader.transaction():
            await reader.execute("select count(*) from events")
            with capture_logs() as logs:
                assert await partitions.drop_partitions(connection, EVENTS, far) == 0
    finally:
        await reader.close()
    assert [(record["event"], record["table"]) for record in logs] == [("partitions_not_dropped", "events")]
    assert await partitions.drop_partitions(connection, EVENTS, far) > 0


def test_without_any_partition_the_present_period_is_the_first() -> None:
    only = [Partition("other", None)]
    since, _ = next(partitions.missing_periods(METER_VALUES, only, NOW))
    assert since == datetime(2026, 12, 1, tzinfo=UTC)
    since, _ = next(partitions.missing_periods(FRAME_RUNS, only, NOW))
    assert since == NOW.replace(hour=0)


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)])
async def test_a_sample_of_a_dead_clock_is_stored_once(
    connection: "asyncpg.Connection[Any]", moment: datetime
) -> None:
    assert await connection.fetchval(_INSERT, moment) == "meter_values_before"
    assert await connection.fetchval(_INSERT, moment) is None
