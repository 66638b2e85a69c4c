"""Each list of transactions and each search of the ledger is an index seek, whatever the past."""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.charge_points.records import ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.database.database import Database
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from app.transactions.batch import PLANNER_SETTINGS
from app.transactions.records import SessionsOver
from app.transactions.store import reading, sessions, starts, stops
from app.transactions.stored_records import TransactionFilter
from app.types import TenantId
from tests.support.store import ChargePointRecords, RecordsMaker

pytestmark = pytest.mark.slow

BASE = datetime(2020, 1, 1, tzinfo=UTC)
PAST = 60_000
"""Transactions of the tenant, half of them of one charge point."""

_GENERATE = """
    insert into transactions (tenant_id, id, charge_point_id, connector_id, id_tag, id_tag_key, started_at,
        started_key, started_received_at, meter_start_wh, id_tag_info, started_epoch, stopped_at,
        stopped_received_at, meter_stop_wh, stop_raw)
    select $1, number, case when number % 2 = 0 then $2::bigint else $3::bigint end, 1 + number % 4,
        'TAG-' || number % 500, 'tag-' || number % 500, $4::timestamptz + number * interval '1 hour',
        $4::timestamptz + number * interval '1 hour', $4::timestamptz + number * interval '1 hour', number,
        '{"status": "Accepted"}', number / 100,
        case when number % 1000 > 0 then $4::timestamptz + number * interval '1 hour 1 second' end,
        case when number % 1000 > 0 then $4::timestamptz + number * interval '1 hour 1 second' end,
        case when number % 1000 > 0 then number + 1 end, '{"transactionId": -1}'
    from generate_series(1, $5::int) as number
"""
FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "charge point": {"identity": "CP-1"},
    "unknown charge point": {"identity": "NONE"},
    "connector": {"identity": "CP-1", "connector_id": 2},
    "tag": {"id_tag": "TAG-7"},
    "open": {"open": True},
    "open of a charge point": {"identity": "CP-1", "open": True},
    "a day long past": {"from_at": BASE + timedelta(days=9), "to_at": BASE + timedelta(days=10)},
    "a day of a charge point": {
        "identity": "CP-1",
        "from_at": BASE + timedelta(days=9),
        "to_at": BASE + timedelta(days=10),
    },
    "a day of a tag": {"id_tag": "TAG-7", "from_at": BASE + timedelta(days=9)},
}


@contextlib.asynccontextmanager
async def long_past(
    url: str, tenant: TenantRecord, first: ChargePointRecord, second: ChargePointRecord
) -> "AsyncIterator[asyncpg.Connection[Any]]":
    """A connection to a database in which a tenant and its first charge point have a long past."""
    connection = await asyncpg.connect(url)
    await connection.execute(_GENERATE, tenant.id, first.id, second.id, BASE, PAST)
    await connection.execute("insert into transaction_ids values ($1, $2)", tenant.id, PAST + 1)
    await connection.execute("analyze transactions")
    yield connection
    await connection.execute("delete from transactions where tenant_id = $1", tenant.id)
    await connection.close()


@dataclass(frozen=True)
class ReadPast:
    """A tenant with a long past, which tests only read."""

    tenant_id: TenantId
    connection: "asyncpg.Connection[Any]"


@pytest.fixture(scope="module")
async def read_past(database: Database, database_url: str) -> AsyncIterator[ReadPast]:
    async with database.platform() as work:
        tenant = await TenantStore(work).create("past", "Past")
    async with database.tenant(TenantId(tenant.id)) as work:
        first, second = [await ChargePointStore(work).create(name) for name in ("CP-1", "CP-2")]
    async with long_past(database_url, tenant, first, second) as connection:
        yield ReadPast(TenantId(tenant.id), connection)


@pytest.fixture
async def past(
    records: ChargePointRecords, make_records: RecordsMaker, database_url: str
) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """The connection to a database in which the tenant and the charge point of the test have a long past."""
    other = await make_records("CP-2")
    async with long_past(database_url, records.tenant, records.record, other.record) as connection:
        yield connection


class _Explained:
    """In the place of the reads: keeps how many blocks a statement touched."""

    def __init__(self, connection: "asyncpg.Connection[Any]", tenant_id: TenantId) -> None:
        self._connection = connection
        self.tenant_id = tenant_id
        self.plan: dict[str, Any] = {}

    async def rows(self, statement: Any, values: Any) -> list[Any]:
        arguments = [values[name] for name in statement.names]
        text = f"explain (analyze, buffers, format json) {statement.text}"
        [row] = await self._connection.fetch(text, *arguments)
        self.plan = json.loads(row[0])[0]["Plan"]
        return []


def _nodes(plan: dict[str, Any]) -> list[str]:
    return [plan["Node Type"], *(name for child in plan.get("Plans", []) for name in _nodes(child))]


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
async def test_a_list_of_transactions_reads_little_more_than_it_shows(
    read_past: ReadPast, filters: dict[str, Any]
) -> None:
    explained = _Explained(read_past.connection, read_past.tenant_id)
    store = reading.TransactionStore(explained)
    await store.page(50, None, TransactionFilter(**filters))
    assert "Seq Scan" not in _nodes(explained.plan) or "charge_points" in str(explained.plan)
    touched = explained.plan["Shared Hit Blocks"] + explained.plan["Shared Read Blocks"]
    assert touched < 700, explained.plan


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(starts._FIND, id="find starts"),
        pytest.param(starts._FIND_RUNNING, id="find what runs on tags"),
        pytest.param(stops._LOCK, id="lock what stops name"),
        pytest.param(stops._FIND_CANDIDATES, id="find what stops mean"),
        pytest.param(stops._CLOSE, id="close"),
        pytest.param(stops._CLOSE_WITH_READINGS, id="close with readings"),
        pytest.param(stops._FIND_NAMED, id="find what stops name"),
        pytest.param(starts._INSERT, id="insert starts"),
        pytest.param(starts._INSERT_WITHOUT_PAST, id="insert starts without past"),
        pytest.param(sessions._PRESUME_ENDED, id="presume ended"),
        pytest.param(sessions._SET_REGISTERS, id="set registers"),
    ],
)
async def test_a_statement_of_the_ledger_seeks_within_the_tenant(read_past: ReadPast, statement: str) -> None:
    connection = read_past.connection
    for name, value in PLANNER_SETTINGS.items():
        await connection.execute(f"set {name} = {value}")
    count = max(int(number) for number in re.findall(r"\$(\d+)", statement))
    await connection.execute(f"prepare asked as {statement}")
    [row] = await connection.fetch(f"explain (format json) execute asked ({', '.join(['null'] * count)})")
    await connection.execute("deallocate asked")
    scans = [node for node in _plans(json.loads(row[0])[0]["Plan"]) if "Index Cond" in node]
    assert scans
    for scan in scans:
        assert "tenant_id = " in scan["Index Cond"], scan
    assert "Seq Scan" not in row[0]


def _plans(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(found for child in plan.get("Plans", []) for found in _plans(child))]


async def test_a_record_costs_the_same_with_a_long_past(
    records: ChargePointRecords, past: "asyncpg.Connection[Any]"
) -> None:
    """Count blocks, because times are not those of another day."""
    before = await _touched(past)
    ledger = records.storage.ledger
    await ledger.stop_transaction(records.stop(-1, meter_stop_wh=-5))
    await ledger.meter_values(records.readings("1", "2", "3"))
    started = await ledger.start_transaction(records.start(connector_id=9))
    await ledger.stop_transaction(records.stop(started.transaction_id))
    touched = await _touched(past) - before
    assert touched < 3_000


async def test_a_record_costs_the_same_where_no_stop_ever_came(
    records: ChargePointRecords, past: "asyncpg.Connection[Any]"
) -> None:
    # Those of the neighbour run, so that neither what runs at the tenant nor what is open here is little.
    await past.execute(
        "update transactions set stopped_received_at = null, stopped_at = null,"
        " presumed_ended_at = case when charge_point_id = $2 then started_at end where tenant_id = $1",
        records.tenant.id,
        records.record.id,
    )
    await past.execute("vacuum analyze transactions")
    await _touched(past)  # What the update touched is counted only now.
    before = await _touched(past)
    ledger = records.storage.ledger
    for number in range(3):
        await ledger.start_transaction(records.start(connector_id=1, meter_start_wh=number))
    over = SessionsOver(records.tenant.id, records.record.id, 1, "boot", BASE + timedelta(days=9999))
    await ledger.sessions_over(over)
    assert await _touched(past) - before < 1_000


async def _touched(connection: "asyncpg.Connection[Any]") -> int:
    await connection.execute("select pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
    count: int = await connection.fetchval(
        "select sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::bigint"
        " from pg_statio_user_tables where relname in ('transactions', 'meter_values', 'orphan_records')"
    )
    return count
