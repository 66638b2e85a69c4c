"""PgBouncer in session and in transaction mode: everything works, or the start says why not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from app.charge_points.store import ChargePointStore
from app.clock import SystemClock
from app.database.address import Pooler
from app.exports.destinations import FolderDestination
from app.exports.service import MeterValueExport
from app.server.migration import MigrationError, bring_up_to_date
from app.settings import Settings
from app.storage import Storage
from app.tenants.store import TenantStore
from tests.support.engines import with_database
from tests.support.pgbouncer import pgbouncer
from tests.support.processes import PEPPER
from tests.support.store import NOW, ChargePointRecords

_SEEN = """
create table seen (what text, setting text);
create function see() returns trigger language plpgsql as $$
begin
    insert into seen values (tg_table_name, current_setting('synchronous_commit'));
    return null;
end $$;
create trigger see after insert on transactions for each statement execute function see();
create trigger see after update on charge_points for each statement execute function see();
create trigger see after insert on tenants for each statement execute function see();
"""


class _LaterClock(SystemClock):
    def now(self) -> datetime:
        return super().now() + timedelta(days=400)


@pytest.fixture
async def empty_url(database_url: str) -> AsyncIterator[str]:
    """A database without a schema, of the module's engine."""
    server = await asyncpg.connect(database_url)
    await server.execute("create database pooled")
    yield with_database(database_url, "pooled")
    await server.execute("drop database pooled with (force)")
    await server.close()


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_the_server_works_through_pgbouncer(
    empty_url: str, settings: Settings, engine_directory: Path, mode: Pooler
) -> None:
    with pgbouncer(engine_directory, empty_url, mode) as pooled:
        url = f"{pooled}&pooler={mode}"
        await bring_up_to_date(url, PEPPER)
        # What the role or the database says about durability must not count.
        direct = await asyncpg.connect(empty_url)
        await direct.execute("alter database pooled set synchronous_commit = local")
        await direct.execute(_SEEN)
        storage = await Storage.open(url, settings, SystemClock())
        try:
            records = await _charge_point(storage)
            # Several at once, so that the connections of the server change hands.
            charging = (_charge(records, number) for number in range(8))
            assert len(set(await asyncio.gather(*charging))) == 8
            epochs = [
                await storage.login_batcher.next_epoch(records.tenant.id, records.record.id, NOW)
                for _ in range(3)
            ]
            assert epochs == [1, 2, 3]
            assert await storage.sequencer.number()
            place, told = FolderDestination(engine_directory / f"exports-{mode}"), list[str]()
            await MeterValueExport(storage.database, place, 31, _LaterClock(), told.append).run()
            assert told[0].startswith("meter_values_before is exported: 16 meter values")
            assert "meter_values_before is dropped: its files have its meter values" in told
        finally:
            await storage.close()
        seen = {tuple(row) for row in await direct.fetch("select distinct what, setting from seen")}
        assert seen >= {("transactions", "on"), ("charge_points", "on")}
        assert ("transactions", "local") not in seen
        assert ("charge_points", "local") not in seen
        assert await direct.fetchval("select count(*) from transactions where stopped_at is not null") == 8
        await direct.close()


async def _charge_point(storage: Storage) -> ChargePointRecords:
    async with storage.database.platform() as platform:
        tenant = await TenantStore(platform).create("pooled", "Pooled")
    async with storage.database.tenant(tenant.id) as work:
        record = await ChargePointStore(work).create("CP-1")
    return ChargePointRecords(storage, tenant, record)


async def _charge(records: ChargePointRecords, number: int) -> int:
    ledger = records.storage.ledger
    start = records.start(connector_id=number + 1, meter_start_wh=number)
    transaction_id = (await ledger.start_transaction(start)).transaction_id
    readings = records.readings("1", "2", transaction_id=transaction_id, connector_id=number + 1)
    await ledger.meter_values(readings)
    await ledger.meter_values(readings)
    await ledger.stop_transaction(records.stop(transaction_id))
    assert (await ledger.start_transaction(start)).transaction_id == transaction_id
    assert len(await records.values_of(transaction_id)) == 2
    return transaction_id


_IGNORED = "extra_float_digits, jit, synchronous_commit, enable_hashjoin, default_transaction_read_only"


@pytest.mark.parametrize(
    ("mode", "ignored", "told", "reason"),
    [
        ("session", "", "", "add pooler=session or pooler=transaction to the URL"),
        ("session", _IGNORED, "", "a pooler ignores the settings of sessions, synchronous_commit among them"),
        ("transaction", _IGNORED, "", "a pooler shares a connection .* add pooler=transaction"),
        ("transaction", "", "&pooler=session", "a pooler shares a connection .* add pooler=transaction"),
        ("session", "", "&pooler=session&options=-c%20jit%3Doff", "the pooler refuses the parameter options"),
    ],
)
async def test_a_pooler_that_the_url_does_not_tell_is_refused_in_one_line(
    empty_url: str, engine_directory: Path, mode: Pooler, ignored: str, told: str, reason: str
) -> None:
    server = await asyncpg.connect(empty_url)
    # So that the setting of a session that does not arrive is noticed.
    await server.execute("alter database pooled set synchronous_commit = local")
    await server.close()
    with (
        pgbouncer(engine_directory, empty_url, mode, ignore_startup_parameters=ignored) as pooled,
        pytest.raises(MigrationError, match=f"^DATABASE_URL: .*{reason}") as refused,
    ):
        await bring_up_to_date(pooled + told, PEPPER)
    assert "\n" not in str(refused.value)


async def test_a_database_that_does_not_flush_is_refused_through_a_pooler(
    empty_url: str, engine_directory: Path
) -> None:
    server = await asyncpg.connect(empty_url)
    await server.execute("alter database pooled set synchronous_commit = off")
    await server.close()
    with (
        pgbouncer(engine_directory, empty_url, "transaction") as pooled,
        pytest.raises(MigrationError, match="synchronous_commit=off: an acknowledged record could be lost"),
    ):
        await bring_up_to_date(f"{pooled}&pooler=transaction", PEPPER)
