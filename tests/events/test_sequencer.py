"""Numbers follow commits: a reader that goes on behind a position gets each event once, whatever happens."""

import asyncio
import random
from typing import Any

import pytest
from redis.asyncio.client import PubSub

from app.clock import Clock
from app.database.database import Database
from app.events import store
from app.events.reader import EventReader
from app.events.records import EventFilter
from app.events.rules import SPACING
from app.events.sequencer import Sequencer
from app.events.signals import EventSignals
from app.events.store import number_events
from app.events.writer import add_events, insert_events
from app.settings import Settings
from app.storage import Storage
from app.types import TenantId
from tests.events.conftest import event, late_events, number_as_before, own, read_numbers
from tests.support.store import ChargePointRecords, RecordsMaker


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
    assert await read_numbers(reader, records.tenant) == [2, 1]
    late = await reader.read(own(records), page.position, 100)
    assert await reader.newest(own(records)) == late.position
    of_another_type = EventFilter(types=frozenset({"charge_point.booted"}))
    assert (await reader.read(own(records), 0, 100, of_another_type)).events == []
    of_charge_point = EventFilter(charge_points=frozenset({records.record.identity}))
    assert len((await reader.read(own(records), page.position, 100, of_charge_point)).events) == 1
    # Found, so it is not looked for any longer.
    assert not await is_missing(numbering, late.position)


async def is_missing(connection: Any, position: int) -> bool:
    """Tell whether the id of a late event is among those that are looked for."""
    found: bool = await connection.fetchval(
        "select exists (select from late_events join missing_event_ids as missing"
        " on late_events.id between missing.first_id and missing.last_id where position = $1)",
        position,
    )
    return found


async def test_late_events_are_numbered_in_portions(
    quiet: None,
    records: ChargePointRecords,
    reader: EventReader,
    connect: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "NUMBERED_AT_ONCE", 2)
    numbering = await connect()
    await late_events(connect, records, [1, 2, 3, 4, 5, 6])
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, 7)])
    counts = []
    while (numbered := await number_events(numbering)) is not None and not numbered.is_complete:
        counts.append(numbered.events)
    assert counts == [2, 2, 2]
    assert await read_numbers(reader, records.tenant) == [6, 1, 2, 3, 4, 5, 7]


async def test_more_late_events_than_have_room_take_a_fresh_id(
    quiet: None, records: ChargePointRecords, reader: EventReader, connect: Any
) -> None:
    numbering = await connect()
    await late_events(connect, records, [1, 2, 3, 4])
    await numbering.execute("update event_numbering set last_position = (last_id + 1) * $1 - 3", SPACING)
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, 5)])
    page = await reader.read(own(records), 0, 10)
    counts = []
    while (numbered := await number_events(numbering)) is not None and not numbered.is_complete:
        counts.append(numbered.events)
    # Two have room, then an id is taken, and behind it are the rest and what was in order.
    assert counts == [2, 0]
    assert await read_numbers(reader, records.tenant) == [4, 1, 2, 3, 5]
    assert await read_numbers(reader, records.tenant, page.position) == [1, 2, 3, 5]


async def test_an_id_is_missing_as_long_as_a_transaction_may_commit_it(
    quiet: None, records: ChargePointRecords, connect: Any
) -> None:
    slow, numbering = await connect(), await connect()
    await number_events(numbering)
    transaction = slow.transaction()
    await transaction.start()
    await insert_events(slow, [event(records, 1)])
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, 2)])
    await number_events(numbering)
    first_id = await numbering.fetchval("select max(first_id) from missing_event_ids")
    is_kept = "select exists (select from missing_event_ids where first_id = $1)"
    make_old = "update missing_event_ids set noted_at = now() - interval '11 minutes'"
    await numbering.execute(make_old)
    await number_events(numbering)
    assert await numbering.fetchval(is_kept, first_id)
    await transaction.rollback()
    await numbering.execute(make_old.replace("11", "9"))
    await number_events(numbering)
    assert await numbering.fetchval(is_kept, first_id)
    await numbering.execute(make_old)
    await number_events(numbering)
    assert not await numbering.fetchval(is_kept, first_id)


async def test_a_transaction_that_began_behind_the_last_one_that_ended_may_commit_a_missing_id(
    quiet: None, records: ChargePointRecords, connect: Any
) -> None:
    fast, slow, numbering = await connect(), await connect(), await connect()
    await number_events(numbering)
    transactions = [fast.transaction(), slow.transaction()]
    for connection, transaction in zip((fast, slow), transactions, strict=True):
        await transaction.start()
        await connection.execute("select pg_current_xact_id()")
    await insert_events(slow, [event(records, 1)])
    await insert_events(fast, [event(records, 2)])
    await transactions[0].commit()
    await number_events(numbering)
    await numbering.execute("update missing_event_ids set noted_at = now() - interval '11 minutes'")
    await number_events(numbering)
    await transactions[1].commit()
    numbered = await number_events(numbering)
    assert numbered is not None
    assert numbered.events == 1


async def test_missing_ids_of_another_cluster_are_over_after_a_while(
    quiet: None, records: ChargePointRecords, connect: Any
) -> None:
    """As after `stationmaster restore`: the transactions here have lower numbers than those of the copy."""
    numbering = await connect()
    await number_events(numbering)
    await numbering.execute(
        "insert into missing_event_ids select nextval('event_ids'), currval('event_ids'), now(),"
        " pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000000"
    )
    await number_events(numbering)
    is_kept = "select exists (select from missing_event_ids where next_transaction > 1000000)"
    assert await numbering.fetchval(is_kept)
    await numbering.execute("update missing_event_ids set noted_at = now() - interval '11 minutes'")
    await number_events(numbering)
    assert not await numbering.fetchval(is_kept)


async def test_events_that_were_numbered_before_come_first_and_their_cursors_go_on(
    quiet: None, records: ChargePointRecords, reader: EventReader, connect: Any
) -> None:
    connection = await connect()
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, number) for number in (1, 2)])
    await number_as_before(connection, records.tenant.id)
    assert await reader.newest(own(records)) == 2
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, number) for number in (3, 4)])
    await number_events(connection)
    assert await read_numbers(reader, records.tenant) == [1, 2, 3, 4]
    assert await read_numbers(reader, records.tenant, after=1) == [2, 3, 4]
    page = await reader.read(own(records), 1, 2)
    assert (len(page.events), page.has_more) == (2, True)
    assert await read_numbers(reader, records.tenant, page.position) == [4]


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
    # What was rolled back was seen by no reader.
    assert again.positions == numbered.positions


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
