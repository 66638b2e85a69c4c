"""Reads without a unit of work: they outlive a restart of the database, and only read."""

from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import select, text

from app.charge_points.records import ChargePointFilter
from app.charge_points.store import ChargePointReads, ChargePointStore
from app.clock import microseconds_of
from app.database.database import Database, open_reads
from app.database.statements import Statement
from app.errors import StoreUnavailable
from app.settings import Settings
from app.tenants import tables as tenant_tables
from app.tenants.records import TenantRecord
from app.types import TenantId

_END_ALL = """
    select count(pg_terminate_backend(pid)) from pg_stat_activity
    where application_name = 'stationmaster reads' and datname = current_database()
"""


async def test_reads_outlive_their_connections(
    database: Database, tenant: TenantRecord, settings: Settings
) -> None:
    async with database.tenant(tenant.id) as work:
        await ChargePointStore(work).create("CP1")
    reads = ChargePointReads(database.reads, TenantId(tenant.id))
    assert await reads.get("CP1") is not None
    operator = await asyncpg.connect(settings.database_url)
    try:
        assert await operator.fetchval(_END_ALL) > 0
    finally:
        await operator.close()
    assert await reads.get("CP1") is not None
    assert len(await reads.page(10, None, ChargePointFilter())) == 1


@pytest.mark.parametrize("year", [1970, 2015, 2026, 2199])
async def test_times_are_read_to_the_microsecond(
    year: int, database: Database, tenant: TenantRecord, settings: Settings
) -> None:
    moments = [datetime(year, 2, 3, 4, 5, second, 999 + 37_003 * second, UTC) for second in range(25)]
    async with database.tenant(tenant.id) as work:
        for number in range(len(moments)):
            await ChargePointStore(work).create(f"CP{number:02}")
    operator = await asyncpg.connect(settings.database_url)
    try:
        for number, moment in enumerate(moments):
            given = (moment, f"CP{number:02}", tenant.id)
            await operator.execute(
                "update charge_points set last_seen_at = $1 where identity = $2 and tenant_id = $3", *given
            )
    finally:
        await operator.close()
    reads = ChargePointReads(database.reads, TenantId(tenant.id))
    rows = await reads.page(50, None, ChargePointFilter())
    assert [row["last_seen_at_us"] for row in rows] == [microseconds_of(moment) for moment in moments]
    assert {row["booted_at_us"] for row in rows} == {None}


async def test_reads_cannot_write(settings: Settings) -> None:
    reads = open_reads(str(settings.database_url))
    try:
        with pytest.raises(StoreUnavailable) as refused:
            await reads.rows(Statement(text("create temporary table written (number int)")), {})
        assert isinstance(refused.value.__cause__, asyncpg.ReadOnlySQLTransactionError)
    finally:
        await reads.close()


async def test_without_the_database_a_read_says_so() -> None:
    reads = open_reads("postgresql://unknown@127.0.0.1:1/nothing")
    try:
        with pytest.raises(StoreUnavailable):
            await reads.rows(Statement(select(tenant_tables.tenants.c.id)), {})
    finally:
        await reads.close()
