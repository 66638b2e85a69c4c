"""Comings and goings of charge points, many at once, on a real PostgreSQL."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any, cast

import asyncpg
import pytest
from structlog.testing import capture_logs

from app.charge_points import login_batcher as module
from app.charge_points.records import BootFacts, ChargePointRecord, LastSeen, LoginLookup
from app.charge_points.store import ChargePointStore
from app.errors import StoreUnavailable
from app.types import TenantId
from tests.support.engines import execute
from tests.support.store import NOW, ChargePointRecords, RecordsMaker

_HOUR = timedelta(hours=1)


async def stored(records: ChargePointRecords) -> ChargePointRecord:
    async with records.database.tenant(records.tenant.id) as work:
        record = await ChargePointStore(work).get(records.record.identity)
    assert record is not None
    return record


async def test_logins_that_ask_together_each_get_their_own(make_records: RecordsMaker) -> None:
    stations = [await make_records(f"CP-{number}") for number in range(5)]
    batcher, slug = stations[0].storage.login_batcher, stations[0].tenant.slug
    asked = [
        (slug, "UNKNOWN"),
        ("nobody", "CP-1"),
        *((slug, s.record.identity) for s in stations),
        (slug, "CP-3"),
    ]
    lookups = await asyncio.gather(*(batcher.find(*names) for names in asked))
    found = [lookup.login for lookup in lookups]
    assert [lookup.tenant_exists for lookup in lookups] == [True, False, *[True] * 6]
    assert [login and login.charge_point_id for login in found] == [
        None,
        None,
        *(records.record.id for records in stations),
        stations[3].record.id,
    ]
    assert found[2] is not None
    assert (found[2].tenant_id, found[2].tenant_slug, found[2].identity) == (
        stations[0].tenant.id,
        slug,
        "CP-0",
    )


async def test_a_login_in_another_case_finds_no_charge_point_but_its_spelling(
    make_records: RecordsMaker,
) -> None:
    lower, upper = await make_records("rdam-1"), await make_records("RDAM-1")
    batcher, slug = lower.storage.login_batcher, lower.tenant.slug
    exact = [await batcher.find(slug, identity) for identity in ("rdam-1", "RDAM-1")]
    assert [lookup.login and lookup.login.charge_point_id for lookup in exact] == [
        lower.record.id,
        upper.record.id,
    ]
    other = await batcher.find(slug, "Rdam-1")
    assert (other.tenant_exists, other.login) == (True, None)
    assert other.other_case in ("rdam-1", "RDAM-1")
    assert await batcher.find(slug, "rdam-2") == LoginLookup(tenant_exists=True)
    assert await batcher.find(slug.upper(), "RDAM-1") == LoginLookup()


async def test_epochs_only_grow_also_of_sessions_that_begin_at_once(
    records: ChargePointRecords, make_records: RecordsMaker
) -> None:
    other = await make_records("CP-2")
    batcher, tenant = records.storage.login_batcher, records.tenant.id
    ids = [records.record.id, other.record.id, records.record.id, 2**40, records.record.id]
    epochs = await asyncio.gather(*(batcher.next_epoch(tenant, number, NOW) for number in ids))
    assert epochs == [1, 1, 2, None, 3]
    assert (await stored(records)).connected_at == NOW


async def test_boots_that_come_together_are_each_kept(
    records: ChargePointRecords, make_records: RecordsMaker
) -> None:
    other = await make_records("CP-2")
    async with records.database.tenant(records.tenant.id) as work:
        await ChargePointStore(work).update("CP-2", registration_status="Pending", heartbeat_interval_s=7)
    batcher, tenant = records.storage.login_batcher, records.tenant.id
    boots = [
        (records.record.id, BootFacts(NOW, "First", "A")),
        (other.record.id, BootFacts(NOW, "Other", "B", firmware_version="2")),
        (records.record.id, BootFacts(NOW + _HOUR, "Last", None, iccid="89")),
        (2**40, BootFacts(NOW, "Unknown", "C")),
    ]
    answers = await asyncio.gather(*(batcher.record_boot(tenant, *boot) for boot in boots))
    assert answers == [("Accepted", None), ("Pending", 7), ("Accepted", None), None]
    record = await stored(records)
    assert (record.vendor, record.model, record.iccid) == ("Last", None, "89")
    assert (record.booted_at, record.last_seen_at) == (NOW + _HOUR, NOW + _HOUR)
    assert (await stored(other)).firmware_version == "2"


async def test_a_last_seen_time_never_goes_back_and_keeps_a_known_skew(
    records: ChargePointRecords,
) -> None:
    place = (records.tenant.id, records.record.id)
    times = [
        LastSeen(*place, NOW + _HOUR, 1.5),
        LastSeen(*place, NOW),
        LastSeen(records.tenant.id, 2**40, NOW),
    ]
    await records.storage.login_batcher.record_last_seen(times)
    record = await stored(records)
    assert (record.last_seen_at, record.clock_skew_s) == (NOW + _HOUR, 1.5)


async def test_times_of_contact_of_all_charge_points_touch_no_index(
    records: ChargePointRecords, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    # Rolled back, so that the count begins at zero and no other test sees the rows.
    transaction = connection.transaction()
    await transaction.start()
    count = "pg_stat_get_xact_tuples_{}updated('charge_points'::regclass)".format
    await connection.execute(
        """
        insert into charge_points
            (tenant_id, identity, registration_status, created_at, updated_at, last_seen_at)
        select $1, 'PAGE-' || number, 'Accepted', now(), now(), now() from generate_series(1, 500) as number
        """,
        records.tenant.id,
    )
    await connection.execute(
        "update charge_points set last_seen_at = now() where tenant_id = $1", records.tenant.id
    )
    assert await connection.fetchval(f"select {count('')}") == 501
    # Those that share the first page with rows of before may find it full.
    assert await connection.fetchval(f"select {count('hot_')}") > 480
    await transaction.rollback()
    await connection.close()


async def test_a_locked_row_does_not_delay_the_others(
    records: ChargePointRecords, make_records: RecordsMaker
) -> None:
    other = await make_records("CP-2")
    batcher, tenant = records.storage.login_batcher, records.tenant.id
    async with records.database.tenant(TenantId(tenant)) as work:
        await ChargePointStore(work).get("CP-1", to_change=True)
        held = asyncio.ensure_future(batcher.next_epoch(tenant, records.record.id, NOW))
        async with asyncio.timeout(20):
            assert await batcher.next_epoch(tenant, other.record.id, NOW) == 1
        assert not held.done()
    assert await held == 1


async def test_a_database_that_is_too_slow_is_said_to_be_unavailable(
    records: ChargePointRecords, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.3)
    hasty = await module.LoginBatcher.open(database_url)
    async with records.database.tenant(records.tenant.id) as work:
        await ChargePointStore(work).get("CP-1", to_change=True)
        with pytest.raises(StoreUnavailable):
            await hasty.next_epoch(records.tenant.id, records.record.id, NOW)
    assert await hasty.next_epoch(records.tenant.id, records.record.id, NOW) == 1
    await hasty.close()


class _EndedConnection:
    in_each_transaction = ""

    async def fetch(self, *arguments: Any) -> list[Any]:
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


class _PoolAfterARestart:
    """Gives out a connection that the server has just ended, then good ones."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.given: list[Any] = [contextlib.nullcontext(_EndedConnection())]

    def acquire(self) -> Any:
        return self.given.pop() if self.given else self._pool.acquire()


async def test_a_connection_that_the_server_has_ended_costs_no_login(
    records: ChargePointRecords,
) -> None:
    pool = _PoolAfterARestart(records.storage.login_batcher._pool)
    batcher = module.LoginBatcher(cast(Any, pool))
    assert (await batcher.find(records.tenant.slug, "CP-1")).login is not None
    assert not pool.given


async def test_a_database_that_restarts_is_found_again(records: ChargePointRecords) -> None:
    batcher, slug = records.storage.login_batcher, records.tenant.slug
    assert (await batcher.find(slug, "CP-1")).login is not None
    async with records.database.platform() as work:
        ended = await work.connection.exec_driver_sql(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'stationmaster connections' and datname = current_database()"
        )
        assert ended.scalars().all() == [True]
    assert (await batcher.find(slug, "CP-1")).login is not None


_DEADLOCKS = """
    create sequence {tries};
    create function {tries}() returns trigger language plpgsql as $$
        begin
            -- A sequence counts also what is rolled back.
            if nextval('{tries}') <= {count} then
                raise exception 'deadlock detected' using errcode = '40P01';
            end if;
            return new;
        end $$;
    create trigger {tries} before update on charge_points for each row execute function {tries}();
"""


@pytest.mark.parametrize(("count", "logs_in"), [(3, True), (6, False)])
async def test_a_deadlock_is_tried_again_and_then_told_as_what_it_is(
    records: ChargePointRecords, database_url: str, count: int, logs_in: bool
) -> None:
    batcher, tenant = records.storage.login_batcher, records.tenant.id
    await execute(database_url, _DEADLOCKS.format(tries=f"tries_{count}", count=count))
    try:
        with capture_logs() as logs:
            if logs_in:
                assert await batcher.next_epoch(tenant, records.record.id, NOW) == 1
            else:
                with pytest.raises(StoreUnavailable, match="Other changes of the same rows"):
                    await batcher.next_epoch(tenant, records.record.id, NOW)
    finally:
        await execute(database_url, f"drop trigger tries_{count} on charge_points")
    conflicts = [record["error"] for record in logs if record["event"] == "login_batch_conflict"]
    assert conflicts == ["deadlock detected"] * min(count, 5)
