"""Measures the bytes of one MeterValues: on disk, and in the write-ahead log of PostgreSQL.

Each charge point sends at a rate at which its CALL and the answer are a run of the frame log by themselves,
as in the field. Rows of a past are there before: on an empty table all charge points would share a page of
the index. The log is measured in a quiet stretch, and in a round in which each charge point sends one
MeterValues after a checkpoint. Then PostgreSQL writes each page whole that is changed the first time. The log
counts everything that is written meanwhile, its events too.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg

from benchmarks.host import Cores
from benchmarks.load import Fleet, FleetPlan, LoadError, Run, running_fleet
from benchmarks.plan import Plan
from benchmarks.summary import significant, summarize
from benchmarks.testbed import TENANT, Testbed, age_log, running_server

_TABLES: Final = ("meter_values", "frame_runs")
_RATE_PER_S: Final = 1.0
"""Of each charge point. The frame log is written several times a second."""
_SETTLE_S: Final = 1.0
"""The frame log is written behind the answers."""
_COMPRESSIONS: Final[tuple[Literal["off", "on"], ...]] = ("off", "on")

# Rows without samples and frames. Each charge point has another number of them, so that the pages of the
# charge points are not all full at the same time.
_PAST_SAMPLES: Final = r"""
    insert into meter_values (tenant_id, charge_point_id, connector_id, transaction_id, sampled_at,
        received_at, context, packed_values, digest)
    select c.tenant_id, c.id, 1, null, '2024-02-01'::timestamptz + number * interval '10 s', now(),
        'periodic', '\x01d15b5de5', hashint8extended(number, c.id)
    from generate_series(1, $2::int * 2) as number, charge_points as c join tenants as t on t.id = c.tenant_id
    where t.slug = $1 and c.identity < 'BENCH-' || lpad($3::int::text, 5, '0')
        and number <= $2::int + mod(abs(hashint8(c.id)), $2::int)
    order by number, c.id
"""
_PAST_FRAMES: Final = r"""
    insert into frame_runs (id, tenant_id, charge_point_id, at, packed)
    select extract(epoch from at)::bigint, c.tenant_id, c.id, at, '\x01e5'::bytea
    from generate_series(1, $2::int * 2) as number,
        charge_points as c join tenants as t on t.id = c.tenant_id,
        lateral (
            select date_trunc('second', now()) - ($2::int * 2 - number) * interval '1 ms' as at
        ) as moment
    where t.slug = $1 and c.identity < 'BENCH-' || lpad($3::int::text, 5, '0')
        and number <= $2::int + mod(abs(hashint8(c.id)), $2::int)
    order by number, c.id
"""
_SIZES: Final = """
    select coalesce(sum(pg_relation_size(c.oid)), 0)::bigint as heap,
        coalesce(sum(pg_relation_size(nullif(c.reltoastrelid, 0))), 0)::bigint as toast,
        coalesce(sum(pg_indexes_size(c.oid)), 0)::bigint as indexes,
        (select count(*) from {table}) as rows
    from pg_inherits join pg_class as c on c.oid = inhrelid where inhparent = '{table}'::regclass
"""


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The bytes and rows of a table with its partitions."""

    heap: int
    toast: int
    indexes: int
    rows: int


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the bytes of one MeterValues: `disk` by table, `log` by setting of `wal_compression`.

    Raises:
        LoadError: an answer was wrong, or an answered MeterValues is not stored.
    """
    log: dict[str, Any] = {}
    found: list[_Stretch] = []
    connection = await asyncpg.connect(testbed.engines.database_url)
    database = await connection.fetchval("select quote_ident(current_database())")
    try:
        await age_log(testbed, plan.log_mebibytes)
        for past in (_PAST_SAMPLES, _PAST_FRAMES):
            await connection.execute(past, TENANT, plan.bytes_past_rows, plan.bytes_sockets)
        # What the past leaves for later must not count.
        await connection.execute("vacuum (freeze, analyze) meter_values, frame_runs")
        for compression in _COMPRESSIONS:
            # It holds for connections that are made from now on.
            await connection.execute(f"alter database {database} set wal_compression = {compression}")
            async with (
                running_server(testbed, cores, directory) as server,
                running_fleet(FleetPlan(server.url, testbed.key)) as fleet,
            ):
                await fleet.connect(plan.bytes_sockets)
                measurement = _Measurement(connection, fleet, plan)
                stretch, log[f"wal_compression_{compression}"] = await measurement.all()
                found.append(stretch)
    finally:
        await connection.execute(f"alter database {database} reset wal_compression")
        await connection.close()
    return {
        "unit": "bytes of one MeterValues with four sampled values",
        "sockets": plan.bytes_sockets,
        "meter_values": sum(stretch.sent for stretch in found),
        "disk": {table: _disk(found, table) for table in _TABLES},
        "log": log,
    }


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A measurement: the sizes of the tables at its begin and end, and the MeterValues that were sent."""

    before: dict[str, _Sizes]
    after: dict[str, _Sizes]
    sent: int


@dataclass(frozen=True, slots=True)
class _Measurement:
    connection: "asyncpg.Connection[Any]"
    fleet: Fleet
    plan: Plan

    async def all(self) -> tuple[_Stretch, dict[str, Any]]:
        # The first samples begin the transactions.
        await self._send(1.0)
        before = await self._sizes()
        rounds: dict[str, list[float]] = {"after_checkpoint": [], "otherwise": []}
        sent = 0
        for _ in range(self.plan.bytes_rounds):
            await self.connection.execute("checkpoint")
            for name, seconds in (("after_checkpoint", 1.0), ("otherwise", self.plan.bytes_round_s)):
                answered, written = await self._send(seconds)
                rounds[name].append(written / answered)
                sent += answered
        after = await self._sizes()
        stored = after["meter_values"].rows - before["meter_values"].rows
        if stored != sent:
            raise LoadError(f"{sent} MeterValues were answered, {stored} are stored")
        return _Stretch(before, after, sent), {name: summarize(found) for name, found in rounds.items()}

    async def _send(self, seconds: float) -> tuple[int, int]:
        """Let the charge points send. Return the number of answers, and the bytes of the log meanwhile."""
        rate = self.plan.bytes_sockets * _RATE_PER_S
        run = Run("meter_values", self.plan.bytes_sockets, 0.0, seconds, rate_per_s=rate)
        before = await self._position()
        _, totals = await self.fleet.run(run, _nothing, _nothing)
        await asyncio.sleep(_SETTLE_S)
        return totals["meter_values"], await self._position() - before

    async def _position(self) -> int:
        position: int = await self.connection.fetchval("select (pg_current_wal_insert_lsn() - '0/0')::bigint")
        return position

    async def _sizes(self) -> dict[str, _Sizes]:
        # This text is made of our own constants only.
        rows = {table: await self.connection.fetchrow(_SIZES.format(table=table)) for table in _TABLES}
        return {table: _Sizes(**row) for table, row in rows.items() if row is not None}


def _disk(found: Sequence[_Stretch], table: str) -> dict[str, float]:
    """Return the bytes of one MeterValues in a table.

    Those of the indexes are a mean of all rows, with those of the past: their pages fill up over many rounds.
    """
    sent = sum(stretch.sent for stretch in found)

    def grown(what: Callable[[_Sizes], int]) -> float:
        return sum(what(stretch.after[table]) - what(stretch.before[table]) for stretch in found) / sent

    rows, last = grown(lambda sizes: sizes.rows), found[-1].after[table]
    parts = {
        "heap": grown(lambda sizes: sizes.heap),
        "toast": grown(lambda sizes: sizes.toast),
        "indexes": last.indexes / last.rows * rows,
    }
    sizes = {name: significant(size, 4) for name, size in {**parts, "all": sum(parts.values())}.items()}
    return {**sizes, "rows": significant(rows, 3)}


def _nothing() -> None:
    """Mark nothing: the log is read before and after a run."""
