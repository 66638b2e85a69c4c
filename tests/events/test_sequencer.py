"""Numbers follow commits: a reader that goes on behind a position gets each event once, whatever happens."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from redis.asyncio.client import PubSub

from app.clock import Clock
from app.database.database import Database
from app.errors import EventsExpired
from app.events.payloads import ConnectorStatusChangedEvent
from app.events.reader import EventReader
from app.events.records import NewEvent
from app.events.sequencer import Sequencer
from app.events.signals import EventSignals
from app.events.store import drop_events, number_events
from app.events.writer import add_events, insert_events
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.types import ChargePointKey, TenantId
from tests.support.store import NOW, ChargePointRecords, RecordsMaker


def status(connector_id: int) -> ConnectorStatusChangedEvent:
    return ConnectorStatusChangedEvent(
        **{**ConnectorStatusChangedEvent.example, "connector_id": connector_id}
    )


def own(records: ChargePointRecords) -> TenantId:
    return TenantId(records.tenant.id)


def event(records: ChargePointRecords, number: int) -> NewEvent:
    return status(number).of(ChargePointKey(records.tenant.id, records.record.id), NOW)


@pytest.fixture
async def quiet(storage: Storage) -> AsyncIterator[None]:
    """Stop the sequencer of the shared storage, so that the test numbers."""
    await storage.sequencer.close()
    yield
    storage.sequencer.start()


@pytest.fixture
async def connect(database_url: str) -> AsyncIterator[Any]:
    """Open connections that end with the test."""
    opened: list[asyncpg.Connection[Any]] = []

    async def open_one() -> "asyncpg.Connection[Any]":
        opened.append(await asyncpg.connect(database_url))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.terminate()


async def read_numbers(reader: EventReader, tenant: TenantRecord, after: int = 0) -> list[int]:
    page = await reader.read(TenantId(tenant.id), after, 1000)
    return [int(found.data.split('"connector_id":')[1].split(",")[0]) for found in page.events]


async def test_an_event_without_a_position_is_not_read(
    quiet: None, records: ChargePointRecords, reader: EventReader, connect: Any
) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, 1)])
    assert await read_numbers(reader, records.tenant) == []
    assert await number_events(await connect()) is not None
    assert await read_numbers(reader, records.tenant) == [1]


async def test_a_commit_that_comes_later_is_numbered_later(
    quiet: None, records: ChargePointRecords, reader: EventReader, connect: Any
) -> None:
    slow, numbering = await connect(), await connect()
    transaction = slow.transaction()
    await transaction.start()
    await insert_events(slow, [event(records, 1)])
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, 2)])
    await number_events(numbering)
    page = await reader.read(own(records), 0, 100)
    assert len(page.events) == 1
    await transaction.commit()
    await number_events(numbering)
    assert await read_numbers(reader, records.tenant, page.position) == [1]


async def test_what_was_rolled_back_or_killed_leaves_a_gap_only(
    quiet: None, records: ChargePointRecords, reader: EventReader, connect: Any
) -> None:
    killed, rolled_back, numbering = await connect(), await connect(), await connect()
    await killed.transaction().start()
    await insert_events(killed, [event(records, 1)])
    transaction = rolled_back.transaction()
    await transaction.start()
    await insert_events(rolled_back, [event(records, 2)])
    killed.terminate()
    await transaction.rollback()
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, 3)])
    await number_events(numbering)
    assert await read_numbers(reader, records.tenant) == [3]


async def test_two_sequencers_never_number_at_the_same_time(
    quiet: None, records: ChargePointRecords, connect: Any
) -> None:
    first, second = await connect(), await connect()
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, 1)])
    transaction = first.transaction()
    await transaction.start()
    numbered = await number_events(first)
    assert numbered is not None
    assert numbered.events == 1
    assert await number_events(second) is None
    await transaction.rollback()
    again = await number_events(second)
    assert again is not None
    assert again.positions[own(records)] > numbered.positions[own(records)]


@pytest.mark.slow
async def test_a_reader_never_skips_while_two_workers_write(
    records: ChargePointRecords,
    make_records: RecordsMaker,
    reader: EventReader,
    settings: Settings,
    database_url: str,
    clock: Clock,
    connect: Any,
) -> None:
    """Writers commit in another order than they insert, some roll back; two sequencers number meanwhile."""
    sequencers = [Sequencer(database_url, settings, clock) for _ in range(2)]
    for sequencer in sequencers:
        sequencer.start()
    stations = [records, await make_records("CP-2"), await make_records("CP-3")]
    written: dict[int, list[int]] = {station.record.id: [] for station in stations}
    numbers = iter(range(10_000))

    async def write(station: ChargePointRecords, seed: int) -> None:
        chance, connection = random.Random(seed), await connect()
        for _ in range(40):
            transaction = connection.transaction()
            await transaction.start()
            # As a change of the charge point does: what comes later waits for the row.
            await connection.execute(
                "select from charge_points where id = $1 for no key update", station.record.id
            )
            new = [next(numbers) for _ in range(chance.randint(1, 3))]
            await insert_events(connection, [event(station, number) for number in new])
            if chance.random() < 0.2:
                await transaction.rollback()
                continue
            written[station.record.id] += new
            await transaction.commit()
            sequencers[seed % 2].wake()

    writers = [asyncio.create_task(write(station, seed)) for seed, station in enumerate(stations * 2)]
    read: list[tuple[str | None, int]] = []
    position = 0
    async with asyncio.timeout(60):
        while not all(writer.done() for writer in writers) or len(read) < sum(map(len, written.values())):
            page = await reader.read(own(records), position, 7)
            read += [
                (found.charge_point, int(found.data.split('"connector_id":')[1].split(",")[0]))
                for found in page.events
            ]
            position = page.position
    await asyncio.gather(*writers)
    for sequencer in sequencers:
        await sequencer.close()
    for station in stations:
        of_station = [number for identity, number in read if identity == station.record.identity]
        assert of_station == written[station.record.id]
    assert len(read) == sum(map(len, written.values()))


async def test_a_worker_wakes_its_sequencer_and_the_reader(
    records: ChargePointRecords, storage: Storage, redis: Any
) -> None:
    signals = EventSignals(redis)
    storage.sequencer.listeners.append(signals.numbered)
    with signals.subscribe(own(records)) as subscription:
        async with records.database.tenant(records.tenant.id) as work:
            await add_events(work, [event(records, 1)])
        while not subscription.newest:
            await subscription.wait()
    storage.sequencer.listeners.remove(signals.numbered)
    await signals.close()


async def test_other_workers_are_woken_through_redis(records: ChargePointRecords, redis: Any) -> None:
    here, there = EventSignals(redis), EventSignals(redis)
    there.start()
    with there.subscribe(own(records)) as subscription:
        async with asyncio.timeout(10):
            # The subscription in Redis takes a moment.
            while not subscription.newest:
                here.numbered({own(records): 7})
                await subscription.wait()
    assert subscription.newest == 7
    await here.close()
    await there.close()


async def test_a_subscription_that_failed_is_made_again(
    records: ChargePointRecords, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe = PubSub.subscribe
    # uvloop says this of a connection that ended while the library wrote to it.
    failures = [RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed")]

    async def failing(self: PubSub, *channels: str) -> None:
        if failures:
            raise failures.pop()
        await subscribe(self, *channels)

    monkeypatch.setattr(PubSub, "subscribe", failing)
    here, there = EventSignals(redis), EventSignals(redis)
    there.start()
    with there.subscribe(own(records)) as subscription:
        async with asyncio.timeout(10):
            while not subscription.newest:
                here.numbered({own(records): 7})
                await subscription.wait()
    assert not failures
    await here.close()
    await there.close()


async def test_tenants_do_not_see_each_other(
    quiet: None, records: ChargePointRecords, reader: EventReader, connect: Any, database: Database
) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, 1)])
        other = event(records, 2)._replace(tenant_id=records.tenant.id + 1)
        with pytest.raises(ValueError, match="another tenant"):
            await add_events(work, [other])
    await number_events(await connect())
    page = await reader.read(TenantId(records.tenant.id + 1), 0, 10)
    assert page.events == []


async def test_a_cursor_older_than_what_is_kept_is_refused(
    quiet: None, records: ChargePointRecords, reader: EventReader, connect: Any
) -> None:
    connection = await connect()
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, 1)])
        await add_events(work, [event(records, 2)])
    await number_events(connection)
    page = await reader.read(own(records), 0, 10)
    first, second = (found.position for found in page.events)
    assert await drop_events(connection, datetime.now(UTC) - timedelta(days=1)) == 0
    assert await drop_events(connection, datetime.now(UTC) + timedelta(days=2)) >= 1
    with pytest.raises(EventsExpired):
        await reader.read(own(records), first, 10)
    assert await reader.read(own(records), second, 10) == ([], second, False)
    assert await reader.newest(own(records)) == second
