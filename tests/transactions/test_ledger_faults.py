"""The ledger under faults: no false acknowledgement, one bad record fails alone, and it heals by itself."""

import asyncio
import errno
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.charge_points.store import ChargePointStore
from app.clock import SystemClock
from app.database.database import Database
from app.database.migrations import migrate
from app.errors import CallFailed, StoreUnavailable
from app.server.embedded import start_embedded
from app.settings import Settings
from app.storage import Storage
from app.tenants.store import TenantStore
from app.transactions import batch as ledger_batch
from app.transactions.ledger import Ledger
from app.transactions.records import TransactionStarted
from app.transactions.store.reading import TransactionStore
from tests.support.store import ChargePointRecords, RecordsMaker


async def _ids(records: ChargePointRecords) -> list[int]:
    async with records.database.tenant(records.tenant.id) as work:
        return [row.id for row in await TransactionStore(work).page(10_000)]


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param({"charge_point_id": 2**40}, id="a charge point that was deleted"),
        pytest.param({"meter_start_wh": 2**70}, id="a number beyond 64 bits"),
    ],
)
async def test_a_record_that_cannot_be_stored_fails_alone(
    records: ChargePointRecords, poison: dict[str, Any]
) -> None:
    ledger = records.storage.ledger
    starts = [records.start(meter_start_wh=number) for number in range(20)]
    bad = records.start()
    for name, value in poison.items():
        object.__setattr__(bad, name, value)
    answers = await asyncio.gather(
        *(ledger.start_transaction(start) for start in [*starts[:7], bad, *starts[7:]]),
        return_exceptions=True,
    )
    failure = answers.pop(7)
    assert isinstance(failure, CallFailed)
    assert failure.code == "InternalError"
    assert all(isinstance(answer, TransactionStarted) for answer in answers)
    assert len(await _ids(records)) == 20


async def test_a_deadlock_is_tried_again(
    records: ChargePointRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_batch = ledger_batch.write_batch
    failures = [asyncpg.DeadlockDetectedError("deadlock"), asyncpg.SerializationError("serialization")]

    async def failing(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await write_batch(*arguments)

    monkeypatch.setattr("app.transactions.batch.write_batch", failing)
    answer = await records.storage.ledger.start_transaction(records.start())
    assert not answer.repeated
    assert failures == []
    outcomes = records.storage.ledger.outcomes
    assert outcomes.failed_at is not None
    assert outcomes.committed_at is not None
    assert outcomes.failed_at < outcomes.committed_at


async def test_a_database_that_became_read_only_is_left_for_a_new_connection(
    records: ChargePointRecords,
) -> None:
    ledger = records.storage.ledger
    # They take turns.
    for number, _ in enumerate(ledger._writers):
        await ledger.start_transaction(records.start(meter_start_wh=number))
    before = [writer.connection.opened for writer in ledger._writers]
    for connection in before:
        assert connection is not None
        await connection.execute("set default_transaction_read_only = on")
    last = await ledger.start_transaction(records.start(connector_id=2))
    assert not last.repeated
    assert [writer.connection.opened for writer in ledger._writers] != before


@asynccontextmanager
async def _impatient(
    records: ChargePointRecords, database_url: str, settings: Settings
) -> AsyncIterator[Ledger]:
    ledger = Ledger(
        database_url, settings=settings.model_copy(update={"durable_wait_s": 0.5}), clock=SystemClock()
    )
    ledger.start()
    try:
        yield ledger
    finally:
        await ledger.close()


async def test_a_blocked_table_costs_time_and_no_truth(
    records: ChargePointRecords, database_url: str, settings: Settings
) -> None:
    blocker = await asyncpg.connect(database_url)
    async with _impatient(records, database_url, settings) as ledger:
        async with blocker.transaction():
            await blocker.execute("lock table transactions in access exclusive mode")
            with pytest.raises(StoreUnavailable):
                await ledger.start_transaction(records.start())
            assert ledger.outcomes.refused_at is not None
        answer = await ledger.start_transaction(records.start())
    await blocker.close()
    assert await _ids(records) == [answer.transaction_id]


async def test_a_cancelled_record_is_still_stored(records: ChargePointRecords) -> None:
    ledger = records.storage.ledger
    task = asyncio.ensure_future(ledger.start_transaction(records.start()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await ledger.start_transaction(records.start())).repeated


async def test_closing_settles_what_waits(
    records: ChargePointRecords, database_url: str, settings: Settings
) -> None:
    ledger = Ledger(database_url, settings=settings, clock=SystemClock())
    ledger.start()
    waiting = [
        asyncio.ensure_future(ledger.start_transaction(records.start(meter_start_wh=number)))
        for number in range(10)
    ]
    await asyncio.sleep(0)
    await ledger.close()
    answers = await asyncio.gather(*waiting)
    assert sorted(answer.transaction_id for answer in answers) == sorted(await _ids(records))
    with pytest.raises(StoreUnavailable):
        await ledger.start_transaction(records.start())


class _Held:
    """Batches that wait for a sign before they are written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: asyncio.Queue[list[Any]] = asyncio.Queue()
        self.sign = asyncio.Event()
        self._write_batch = ledger_batch.write_batch
        monkeypatch.setattr("app.transactions.batch.write_batch", self._write)

    async def _write(self, connection: Any, records: Any, *others: Any) -> Any:
        self.begun.put_nowait(records)
        await self.sign.wait()
        return await self._write_batch(connection, records, *others)


async def test_closing_takes_a_batch_that_is_smaller_than_the_one_under_way(
    records: ChargePointRecords,
    make_records: RecordsMaker,
    database_url: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = _Held(monkeypatch)
    other = await make_records("CP-2")
    ledger = Ledger(database_url, settings=settings, clock=SystemClock())
    ledger.start()
    async with asyncio.timeout(10):
        starts = [records.start(meter_start_wh=number) for number in range(4)]
        waiting = [asyncio.ensure_future(ledger.start_transaction(start)) for start in starts]
        await held.begun.get()
        for start in (records.start(meter_start_wh=5), other.start()):
            waiting.append(asyncio.ensure_future(ledger.start_transaction(start)))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(ledger.close())
        await asyncio.sleep(0)
        held.sign.set()
        await closing
        assert len({answer.transaction_id for answer in await asyncio.gather(*waiting)}) == 6


async def test_nothing_overtakes_a_record_of_the_same_charge_point(
    records: ChargePointRecords, make_records: RecordsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = records.storage.ledger
    running = [await ledger.start_transaction(records.start(connector_id=number)) for number in (1, 2)]
    other = await make_records("CP-2")
    held = _Held(monkeypatch)
    async with asyncio.timeout(10):
        stop = asyncio.ensure_future(ledger.stop_transaction(records.stop(-1)))
        await held.begun.get()
        # From a new connection, while the first try is not committed yet.
        again = asyncio.ensure_future(ledger.stop_transaction(records.stop(-1)))
        start = asyncio.ensure_future(ledger.start_transaction(other.start()))
        assert [record.charge_point_id for record in await held.begun.get()] == [other.record.id]
        held.sign.set()
        outcomes = [(answer.outcome, answer.transaction_id) for answer in (await stop, await again)]
        await start
    assert outcomes == [("closed", running[1].transaction_id), ("repeated", running[1].transaction_id)]


def _process_id(directory: Path) -> int:
    return int((directory / "postgres" / "postmaster.pid").read_text().splitlines()[0])


class _OwnEngine:
    """A PostgreSQL of the test's own, to be killed and started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = Settings(
            database_url=None, redis_url="redis://127.0.0.1:1", data_directory=directory, durable_wait_s=30
        )
        self._stack = AsyncExitStack()

    async def start(self) -> str:
        engines = await self._stack.enter_async_context(start_embedded(self.settings))
        return engines.database_url

    async def stop(self) -> None:
        await self._stack.aclose()

    def kill(self) -> None:
        os.kill(_process_id(self.directory), signal.SIGKILL)


@pytest.fixture
async def own_engine(engine_directory: Path) -> AsyncIterator[_OwnEngine]:
    engine = _OwnEngine(engine_directory)
    yield engine
    await engine.stop()


@pytest.mark.slow
async def test_a_killed_database_loses_no_acknowledged_record(own_engine: _OwnEngine) -> None:
    url = await own_engine.start()
    await migrate(url)
    storage = await Storage.open(url, own_engine.settings, SystemClock())
    database = storage.database
    async with database.platform() as platform:
        tenant = await TenantStore(platform).create("killed", "Killed")
    async with database.tenant(tenant.id) as work:
        record = await ChargePointStore(work).create("CP-1")
    records = ChargePointRecords(storage, tenant, record)
    acknowledged: dict[int, int] = {}
    half = asyncio.Event()

    async def charge(car: int) -> None:
        for number in range(car * 1000, car * 1000 + 25):
            answer = await storage.ledger.start_transaction(records.start(meter_start_wh=number))
            acknowledged[number] = answer.transaction_id
            await storage.ledger.meter_values(
                records.readings(str(number), transaction_id=answer.transaction_id)
            )
            if len(acknowledged) == 100:
                half.set()

    async def kill() -> None:
        await half.wait()
        own_engine.kill()
        await own_engine.stop()
        assert await own_engine.start() == url

    await asyncio.gather(kill(), *(charge(car) for car in range(10)))
    async with database.tenant(tenant.id) as work:
        stored = {row.meter_start_wh: row.id for row in await TransactionStore(work).page(1000)}
        values = await TransactionStore(work).meter_values_of_charge_point(record.id, 1000)
    assert stored == acknowledged
    assert len(values) == 250
    await storage.close()


@pytest.mark.slow
async def test_without_a_database_the_record_is_not_acknowledged_and_the_retry_is(
    own_engine: _OwnEngine,
) -> None:
    url = await own_engine.start()
    await migrate(url)
    patient = own_engine.settings
    storage = await Storage.open(url, patient, SystemClock())
    database = storage.database
    async with database.platform() as platform:
        tenant = await TenantStore(platform).create("away", "Away")
    async with database.tenant(tenant.id) as work:
        record = await ChargePointStore(work).create("CP-1")
    records = ChargePointRecords(storage, tenant, record)
    async with _impatient(records, url, patient) as ledger:
        await own_engine.stop()
        with pytest.raises(StoreUnavailable):
            await ledger.start_transaction(records.start())
        with pytest.raises(StoreUnavailable):
            async with database.tenant(tenant.id) as work:
                await ChargePointStore(work).get("CP-1")
        await own_engine.start()
        await storage.ledger.start_transaction(records.start())
        assert (await ledger.start_transaction(records.start())).repeated
    assert len(await _ids(records)) == 1
    await storage.close()


async def test_a_database_that_does_not_flush_is_refused(
    database_url: str, settings: Settings, make_records: RecordsMaker
) -> None:
    connection = await asyncpg.connect(database_url)
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set synchronous_commit = off")
    try:
        with pytest.raises(RuntimeError, match="synchronous_commit"):
            await Database.open(database_url)
    finally:
        await connection.execute(f"alter database {name} reset synchronous_commit")
        await connection.close()


async def test_the_ledger_connects_at_its_start(
    records: ChargePointRecords, settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later there may be no descriptor for a connection: strangers may have used them up."""
    connected = asyncio.Semaphore(0)
    connect = asyncpg.connect

    async def noticed(*args: Any, **options: Any) -> Any:
        connection = await connect(*args, **options)
        connected.release()
        return connection

    async def refused(*args: Any, **options: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncpg, "connect", noticed)
    ledger = Ledger(database_url, settings=settings, clock=SystemClock())
    ledger.start()
    async with asyncio.timeout(20):
        for _ in range(2):
            await connected.acquire()
    monkeypatch.setattr(asyncpg, "connect", refused)
    try:
        assert isinstance(await ledger.start_transaction(records.start()), TransactionStarted)
    finally:
        await ledger.close()
