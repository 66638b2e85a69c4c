"""MeterValues in the ledger: each sample once, whatever it holds."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.clock import microseconds_of
from app.database.partitions import METER_VALUES, partitions_of
from app.transactions.records import DamagedRecord, MeterReading
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import MeterValueRecord
from app.types import Json
from tests.support.store import NOW, ChargePointRecords, reading


async def _all(records: ChargePointRecords) -> list[MeterValueRecord]:
    async with records.database.tenant(records.tenant.id) as work:
        return await TransactionStore(work).meter_values_of_charge_point(records.record.id, 1000)


async def test_readings_are_read_in_the_order_of_their_time(records: ChargePointRecords) -> None:
    number = (await records.storage.ledger.start_transaction(records.start())).transaction_id
    late = [reading(NOW + timedelta(minutes=9 - n), [{"value": str(n)}]) for n in range(3)]
    await records.storage.ledger.meter_values(records.readings(transaction_id=number, readings=late))
    assert await records.values_of(number) == [{"value": "2"}, {"value": "1"}, {"value": "0"}]


@pytest.mark.parametrize(
    ("started_at", "sampled_at"),
    [
        pytest.param(NOW, NOW - timedelta(hours=23), id="a little before"),
        pytest.param(NOW, NOW + timedelta(hours=24), id="after its stop"),
        pytest.param(datetime(1970, 1, 1, tzinfo=UTC), NOW, id="the clock was set in between"),
    ],
)
async def test_readings_that_name_their_transaction_are_read_with_it(
    records: ChargePointRecords, started_at: datetime, sampled_at: datetime
) -> None:
    ledger = records.storage.ledger
    number = (await ledger.start_transaction(records.start(started_at=started_at))).transaction_id
    sample = reading(sampled_at, [{"value": "1"}])
    await ledger.meter_values(records.readings(transaction_id=number, readings=[sample]))
    await ledger.stop_transaction(records.stop(number))
    assert await records.values_of(number) == [{"value": "1"}]


async def test_repeated_readings_are_stored_once(records: ChargePointRecords) -> None:
    readings = records.readings("1", "2", transaction_id=7)
    ledger = records.storage.ledger
    await asyncio.gather(*(ledger.meter_values(readings) for _ in range(10)))
    await ledger.meter_values(readings)
    assert len(await _all(records)) == 2


async def test_readings_of_one_time_with_other_content_are_all_kept(records: ChargePointRecords) -> None:
    ledger = records.storage.ledger
    for value in ("1", "2"):
        await ledger.meter_values(records.readings(value, transaction_id=7))
    await ledger.meter_values(records.readings("1", transaction_id=7, connector_id=2))
    await ledger.meter_values(records.readings("1", transaction_id=8))
    assert len(await _all(records)) == 4


@pytest.mark.parametrize("number", [None, 0, -1])
async def test_readings_without_valid_id_find_the_transaction_by_time(
    records: ChargePointRecords, number: int | None
) -> None:
    ledger = records.storage.ledger
    began = NOW + timedelta(minutes=2)
    running = (await ledger.start_transaction(records.start(started_at=began))).transaction_id
    await ledger.stop_transaction(records.stop(running, stopped_at=NOW + timedelta(minutes=3)))
    for _ in range(2):
        await ledger.meter_values(records.readings("1", "2", "3", "4", transaction_id=number))
    assert [row.transaction_id for row in await _all(records)] == [number, running, running, number]


async def test_readings_of_the_main_meter_belong_to_no_transaction(records: ChargePointRecords) -> None:
    ledger = records.storage.ledger
    await ledger.start_transaction(records.start())
    await ledger.meter_values(records.readings("1", connector_id=0))
    assert [row.transaction_id for row in await _all(records)] == [None]


async def test_a_start_and_its_first_readings_may_share_a_batch(records: ChargePointRecords) -> None:
    ledger = records.storage.ledger
    started, _ = await asyncio.gather(
        ledger.start_transaction(records.start()), ledger.meter_values(records.readings("1"))
    )
    assert [row.transaction_id for row in await _all(records)] == [started.transaction_id]


@pytest.mark.parametrize(
    "sampled",
    [
        pytest.param([], id="nothing"),
        pytest.param([{"value": "A" * 100_000, "format": "SignedData"}], id="long signed data"),
        pytest.param([{"value": "NaN", "unit": "Hertz"}], id="not a number"),
        pytest.param([{"value": "\\u0000"}], id="a text that looks like an escape"),
        pytest.param([{"value": "é 电 🔌"}], id="text beyond ASCII"),
    ],
)
async def test_content_is_kept_as_it_came(records: ChargePointRecords, sampled: list[Json]) -> None:
    readings = records.readings(transaction_id=5, readings=[reading(NOW, sampled)])
    for _ in range(2):
        await records.storage.ledger.meter_values(readings)
    [row] = await _all(records)
    assert row.sampled_values == sampled


@pytest.mark.parametrize(
    "reported_time",
    [
        pytest.param(None, id="the time counts"),
        pytest.param("1970-01-01T00:00:00Z", id="a dead clock"),
        pytest.param("", id="no time"),
    ],
)
async def test_a_retry_in_the_next_month_finds_its_sample(
    records: ChargePointRecords, database_url: str, reported_time: str | None
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        partitions = await partitions_of(connection, METER_VALUES)
        bound = min(one.until for one in partitions if one.until is not None)
        for arrival in (bound - timedelta(seconds=1), bound + timedelta(seconds=1)):
            # A time that says nothing is that of the arrival.
            sampled_at = bound - timedelta(seconds=1) if reported_time is None else arrival
            sample = MeterReading(microseconds_of(sampled_at), '[{"value": "1"}]', reported_time)
            await records.storage.ledger.meter_values(
                records.readings(transaction_id=5, readings=[sample], received_at_us=microseconds_of(arrival))
            )
        [place] = await connection.fetch(
            "select tableoid::regclass::text from meter_values where charge_point_id = $1", records.record.id
        )
    finally:
        await connection.close()
    assert place[0] == "meter_values_before"
    [row] = await _all(records)
    assert row.received_at == bound - timedelta(seconds=1)


async def test_what_json_allows_and_the_database_does_not_is_replaced(
    records: ChargePointRecords,
) -> None:
    sampled: list[Any] = [{"value": "1\x002\ud800"}]
    await records.storage.ledger.meter_values(
        records.readings(transaction_id=5, readings=[reading(NOW, sampled)])
    )
    [row] = await _all(records)
    assert row.sampled_values == [{"value": "1\ufffd2\ufffd"}]


async def test_meter_values_without_readings_are_answered(records: ChargePointRecords) -> None:
    await records.storage.ledger.meter_values(records.readings())
    assert await _all(records) == []


async def test_pages_follow_each_other(records: ChargePointRecords) -> None:
    number = (await records.storage.ledger.start_transaction(records.start())).transaction_id
    await records.storage.ledger.meter_values(records.readings(*"abcde", transaction_id=number))
    seen: list[MeterValueRecord] = []
    async with records.database.tenant(records.tenant.id) as work:
        transaction = await TransactionStore(work).get(number)
        assert transaction is not None
        while True:
            after = (seen[-1].sampled_at, seen[-1].digest) if seen else None
            page = await TransactionStore(work).meter_values(transaction, 2, after)
            if not page:
                break
            seen += page
    assert [row.sampled_values[0]["value"] for row in seen] == list("abcde")


async def test_the_text_of_a_damaged_message_is_kept_once(records: ChargePointRecords) -> None:
    record = DamagedRecord(
        **records.place,
        action="StopTransaction",
        raw='[2,"1","StopTransaction",{"transactionId":"x\x00"}]',
        deviations=[{"kind": "field_dropped", "pointer": "/transactionId", "raw": "x\x00"}],
        received_at=NOW,
    )
    for _ in range(2):
        await records.storage.ledger.keep_damaged(record)
    async with records.database.tenant(records.tenant.id) as work:
        [kept] = await TransactionStore(work).orphan_records(10)
    assert (kept.kind, kept.action) == ("damaged", "StopTransaction")
    assert kept.raw == record.raw.replace("\x00", "\ufffd")
