"""Partitions of the tables that grow with time: one for each month or day, made ahead of it.

The first partition holds all earlier rows, until it is dropped. The default partition holds rows whose time
no other one has, because a clock was wrong. So every row has a partition, and a repeated row always has the
same one.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import asyncpg

from app.clock import Clock
from app.database.connecting import connect
from app.logs import get_logger
from app.metrics import PARTITIONS_DROPPED, PARTITIONS_MADE
from app.tasks import PeriodicTask

# Names of tables cannot be parameters. They come from `PARTITIONED` and from the catalog of PostgreSQL.
# ruff: noqa: S608

_LOWER_BOUND = re.compile(r" FROM \('([^']+)'\) TO ")
_UPPER_BOUND = re.compile(r" TO \('([^']+)'\)$")
_LOG = get_logger(__name__)

_PERIOD_S: Final = 3600.0
_CONNECT_TIMEOUT_S: Final = 10.0
_LOCK_TIMEOUT_S: Final = 2
"""The longest wait for a lock. Writers wait behind it for as long. The next try is an hour later."""
# Any number that is the same in each process: one of them makes partitions at a time.
_LOCK: Final = 7_216_042_714

_NEVER: Final = datetime.min.replace(tzinfo=UTC)

_LIST: Final = """
    select relname, pg_get_expr(relpartbound, pg_class.oid) as bound
    from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = $1::text::regclass
"""


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """A table with a partition for each period.

    column: the time by which its rows are divided; ahead: how far into the future there are partitions.
    """

    name: str
    column: str
    period: Literal["month", "day"]
    ahead: timedelta


METER_VALUES: Final = PartitionedTable("meter_values", "sampled_at", "month", timedelta(days=62))
FRAME_RUNS: Final = PartitionedTable("frame_runs", "at", "day", timedelta(days=3))
EVENTS: Final = PartitionedTable("events", "recorded_at", "day", timedelta(days=3))
PARTITIONED: Final = (METER_VALUES, FRAME_RUNS, EVENTS)


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition.

    Attributes:
        name: Of its table.
        until: It ends before this time. None: it is the default one.
        since: It begins at this time. None: it has all earlier rows, or is the default one.
    """

    name: str
    until: datetime | None
    since: datetime | None = None


def next_bound(table: PartitionedTable, bound: datetime) -> datetime:
    """Return the end of the period that begins at a bound."""
    if table.period == "day":
        return bound + timedelta(days=1)
    return (bound.replace(day=1) + timedelta(days=32)).replace(day=1)


def _beginning(table: PartitionedTable, moment: datetime) -> datetime:
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if table.period == "day" else midnight.replace(day=1)


def missing_periods(
    table: PartitionedTable, partitions: Sequence[Partition], now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the periods that still need a partition, each as its bounds, without a gap."""
    ends = [partition.until for partition in partitions if partition.until is not None]
    # Without any: a clock that was far ahead had them all dropped.
    since = max(ends, default=_beginning(table, now))
    while since <= now + table.ahead:
        until = next_bound(table, since)
        yield since, until
        since = until


class PartitionKeeper:
    """Makes partitions ahead of their time, for as long as a worker runs."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Look for missing partitions every hour in the background."""
        self._loop = PeriodicTask(self._make_and_pause, "partitions")

    async def close(self) -> None:
        """Stop looking."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None

    async def _make_and_pause(self) -> float:
        # The start of the server has made those of the next days.
        await asyncio.sleep(_PERIOD_S)
        try:
            await make_partitions_of(self._url, self._clock.now())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _LOG.warning("partitions_not_made", error=str(error))
        return 0.0


async def make_partitions_of(url: str, now: datetime) -> None:
    """Make the partitions that are missing in a database."""
    connection = await connect(url, "partitions", timeout_s=_CONNECT_TIMEOUT_S)
    try:
        await make_partitions(connection, now)
    finally:
        await connection.close(timeout=_CONNECT_TIMEOUT_S)


async def make_partitions(connection: "asyncpg.Connection[Any]", now: datetime) -> None:
    """Make the partitions that are missing. connection: outside of a transaction."""
    for table in PARTITIONED:
        # One after the other: the writers of a table do not wait while another one is locked.
        async with alone(connection):
            made = [
                await _make(connection, table, since, until)
                for since, until in missing_periods(table, await partitions_of(connection, table), now)
            ]
        for name in made:
            PARTITIONS_MADE.labels(table.name).inc()
            _LOG.info("partition_made", partition=name)


async def end_of_retention(
    connection: "asyncpg.Connection[Any]", now: datetime, retention: timedelta
) -> datetime:
    """Return the time before which nothing is kept any longer.

    now: of this host. The earlier one of its clock and that of PostgreSQL counts: a clock that is years ahead
    would else drop everything.
    """
    of_database: datetime = await connection.fetchval("select now()")
    return min(now, of_database) - retention


async def drop_partitions_of(url: str, table: PartitionedTable, now: datetime, retention: timedelta) -> int:
    """Drop the partitions whose retention is over, on a connection of the owner of the tables.

    Returns:
        How many; see `drop_partitions`.
    """
    connection = await connect(url, "partitions", timeout_s=_CONNECT_TIMEOUT_S)
    try:
        return await drop_partitions(connection, table, await end_of_retention(connection, now, retention))
    finally:
        await connection.close(timeout=_CONNECT_TIMEOUT_S)


async def drop_partitions(
    connection: "asyncpg.Connection[Any]", table: PartitionedTable, before: datetime
) -> int:
    """Drop the partitions that end at a time or earlier, with all their rows. Return how many.

    None is dropped while others hold the lock of the table for long. The next call drops them.
    """
    try:
        async with alone(connection):
            ended = [
                partition.name
                for partition in await partitions_of(connection, table)
                if partition.until is not None and partition.until <= before
            ]
            for name in ended:
                await connection.execute(f"drop table {name}")
    except asyncpg.LockNotAvailableError as error:
        _LOG.warning("partitions_not_dropped", table=table.name, error=str(error))
        return 0
    for name in ended:
        _tell_dropped(table, name)
    return len(ended)


async def drop_partition(
    connection: "asyncpg.Connection[Any]",
    table: PartitionedTable,
    name: str,
    is_agreed: Callable[[], Awaitable[bool]],
) -> bool:
    """Drop one partition with all its rows, and return whether it was dropped.

    is_agreed: decides in the same transaction, while nothing else can read or write the table.
    """
    async with alone(connection):
        # The table before its partition: writers take their locks in this order, too.
        await connection.execute(f"lock table only {table.name} in access exclusive mode")
        if not await is_agreed():
            return False
        await connection.execute(f"drop table {name}")
    _tell_dropped(table, name)
    return True


def _tell_dropped(table: PartitionedTable, name: str) -> None:
    PARTITIONS_DROPPED.labels(table.name).inc()
    _LOG.info("partition_dropped", partition=name)


async def newest_ends(connection: "asyncpg.Connection[Any]") -> dict[str, datetime]:
    """Return for each table that has partitions when the newest of them ends."""
    ends: dict[str, datetime] = {}
    for table in PARTITIONED:
        found = [partition.until for partition in await partitions_of(connection, table)]
        ends[table.name] = max((until for until in found if until is not None), default=_NEVER)
    return ends


async def partitions_of(connection: "asyncpg.Connection[Any]", table: PartitionedTable) -> list[Partition]:
    """Return the partitions of a table."""
    rows = await connection.fetch(_LIST, table.name)
    return [
        Partition(
            row["relname"], _moment(_UPPER_BOUND, row["bound"]), since=_moment(_LOWER_BOUND, row["bound"])
        )
        for row in rows
    ]


def _moment(pattern: re.Pattern[str], bound: str) -> datetime | None:
    found = pattern.search(bound)
    return None if found is None else datetime.fromisoformat(found[1]).astimezone(UTC)


async def _make(
    connection: "asyncpg.Connection[Any]", table: PartitionedTable, since: datetime, until: datetime
) -> str:
    """Make one partition, with the rows of its period that are in the default one. Return its name."""
    default = next(one.name for one in await partitions_of(connection, table) if one.until is None)
    name = f"{table.name}_{since:%Y_%m_%d}"
    await connection.execute(f"create table {name} (like {table.name} including all)")
    await connection.execute(
        f"with early as ("
        f"delete from {default} where {table.column} >= $1 and {table.column} < $2 returning *)"
        f" insert into {name} select * from early",
        since,
        until,
    )
    await connection.execute(
        f"alter table {table.name} attach partition {name}"
        f" for values from ('{since.isoformat()}') to ('{until.isoformat()}')"
    )
    return name


@asynccontextmanager
async def alone(connection: "asyncpg.Connection[Any]") -> AsyncIterator[None]:
    """Run in a transaction of its own, one process at a time, and wait for no lock for long."""
    async with connection.transaction():
        await connection.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT_S}s'; set local timezone = 'UTC'")
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        yield
