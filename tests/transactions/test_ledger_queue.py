"""MeterValues that conversations put straight into the ledger's queue: stored once, answered after that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
import pytest

from app import metrics
from app.clock import SystemClock
from app.errors import StoreUnavailable
from app.ocpp import Conversation, unpack_samples
from app.settings import Settings
from app.transactions import batch as ledger_batch
from app.transactions.ledger import Ledger
from app.transactions.records import MeterReading
from tests.support.conversations import new_conversation
from tests.support.store import ChargePointRecords

SAMPLES = '[{"value":"1.5","measurand":"Voltage"},{"measurand":"Frequency","value":"50"}]'


class Socket:
    """Connections of one charge point, one for each CALL, that keep their answers."""

    def __init__(self, ledger: Ledger, records: ChargePointRecords) -> None:
        self._ledger = ledger
        self._place = records.place
        self.transport: Any = self
        self.answers: list[Any] = []
        self._changed = asyncio.Event()

    def send(self, unique_id: str, transaction_id: int = 7, samples: str = SAMPLES) -> None:
        text = (
            f'[2,"{unique_id}","MeterValues",{{"connectorId":1,"transactionId":{transaction_id},'
            f'"meterValue":[{{"timestamp":"2026-01-01T00:00:00Z","sampledValue":{samples}}}]}}]'
        )
        conversation: Conversation = new_conversation(**self._place, meters=self._ledger.meters)
        conversation.transport = self.transport
        assert conversation.text(text) is None

    def write(self, answer: str | bytes) -> None:
        self.answers.append(orjson.loads(answer))
        self._changed.set()

    async def answered(self, count: int) -> list[Any]:
        """The answers, when there are so many."""
        async with asyncio.timeout(10):
            while len(self.answers) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.answers


@pytest.fixture
def socket(records: ChargePointRecords) -> Socket:
    return Socket(records.storage.ledger, records)


async def _stored(records: ChargePointRecords, database_url: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetch(
            "select * from meter_values where charge_point_id = $1 order by digest",
            records.record.id,
        )
    finally:
        await connection.close()


def _samples(row: asyncpg.Record) -> str:
    return unpack_samples(row["packed_values"])


async def test_readings_are_stored_as_they_came_and_then_answered(
    socket: Socket, records: ChargePointRecords, database_url: str
) -> None:
    socket.send("m1")
    assert socket.answers == []
    assert await socket.answered(1) == [[3, "m1", {}]]
    [row] = await _stored(records, database_url)
    assert (_samples(row), row["transaction_id"], row["context"]) == (SAMPLES, 7, "periodic")


async def test_a_sample_that_comes_again_is_answered_and_stored_once(
    socket: Socket, records: ChargePointRecords, database_url: str
) -> None:
    socket.send("m1")
    await socket.answered(1)
    again = Socket(records.storage.ledger, records)
    again.send("m2")
    again.send("m3", samples=SAMPLES.replace("1.5", "1.6"))
    assert await again.answered(2) == [[3, "m2", {}], [3, "m3", {}]]
    rows = await _stored(records, database_url)
    assert {_samples(row) for row in rows} == {SAMPLES, SAMPLES.replace("1.5", "1.6")}
    assert len(rows) == 2


async def test_the_same_sample_by_either_way_is_one(
    socket: Socket, records: ChargePointRecords, database_url: str
) -> None:
    socket.send("m1")
    await socket.answered(1)
    (record,) = await _stored(records, database_url)
    at_us = 1_767_225_600_000_000
    readings = [MeterReading(at_us, SAMPLES)]
    other = records.readings(transaction_id=7, connector_id=1, received_at_us=at_us, readings=readings)
    await records.storage.ledger.meter_values(other)
    assert await _stored(records, database_url) == [record]


async def test_a_record_that_cannot_be_stored_fails_alone(
    socket: Socket, records: ChargePointRecords, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_batch = ledger_batch.write_batch

    async def failing(connection: Any, records: Any, ids: Any, window: Any, queued: Any = None) -> Any:
        if queued is not None or any('"13"' in repr(record) for record in records):
            raise asyncpg.DataError("cannot be stored")
        return await write_batch(connection, records, ids, window, queued)

    monkeypatch.setattr("app.transactions.batch.write_batch", failing)
    for number in (11, 12, 13, 14):
        socket.send(f"m{number}", samples=f'[{{"value":"{number}"}}]')
    answers = {answer[1]: answer for answer in await socket.answered(4)}
    assert answers.pop("m13") == [4, "m13", "InternalError", "The record cannot be stored.", {}]
    assert answers == {unique_id: [3, unique_id, {}] for unique_id in ("m11", "m12", "m14")}
    assert len(await _stored(records, database_url)) == 3


@asynccontextmanager
async def _impatient(database_url: str, settings: Settings) -> AsyncIterator[Ledger]:
    hasty = settings.model_copy(update={"durable_wait_s": 0.5})
    ledger = Ledger(database_url, settings=hasty, clock=SystemClock())
    ledger.start()
    try:
        yield ledger
    finally:
        await ledger.close()


async def test_who_waits_too_long_is_told_to_come_again(
    records: ChargePointRecords, database_url: str, settings: Settings
) -> None:
    refused = metrics.CALLS_REFUSED.labels("InternalError")
    before = refused._value.get()
    blocker = await asyncpg.connect(database_url)
    async with _impatient(database_url, settings) as ledger:
        socket = Socket(ledger, records)
        async with blocker.transaction():
            await blocker.execute("lock table meter_values in access exclusive mode")
            for number in range(3):
                socket.send(f"m{number}", samples=f'[{{"value":"{number}"}}]')
            assert {answer[2] for answer in await socket.answered(3)} == {"InternalError"}
            assert refused._value.get() - before == 3
        for number in range(3):
            socket.send(f"again{number}", samples=f'[{{"value":"{number}"}}]')
        assert {answer[0] for answer in (await socket.answered(6))[3:]} == {3}
    await blocker.close()
    assert len(await _stored(records, database_url)) == 3


async def test_what_waits_is_written_before_the_ledger_ends(
    records: ChargePointRecords, database_url: str, settings: Settings
) -> None:
    async with _impatient(database_url, settings) as ledger:
        socket = Socket(ledger, records)
        socket.send("m1")
    assert socket.answers == [[3, "m1", {}]]
    assert len(await _stored(records, database_url)) == 1


async def test_the_end_waits_for_both_writers_and_leaves_none_waiting(
    records: ChargePointRecords, database_url: str, settings: Settings
) -> None:
    blocker = await asyncpg.connect(database_url)
    ledger = Ledger(database_url, settings=settings, clock=SystemClock())
    ledger.start()
    socket = Socket(ledger, records)
    async with blocker.transaction():
        await blocker.execute("lock table meter_values in access exclusive mode")
        for number in range(3):
            socket.send(f"m{number}", samples=f'[{{"value":"{number}"}}]')
        async with asyncio.timeout(10):
            while not any(map(len, ledger._writers)):  # noqa: ASYNC110
                await asyncio.sleep(0)
        socket.send("last")
        closing = asyncio.create_task(ledger.close())
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await closing
    await blocker.close()
    assert {answer[1] for answer in socket.answers} == {"m0", "m1", "m2", "last"}


async def test_a_connection_that_fails_does_not_cost_the_others_their_answers(
    socket: Socket, records: ChargePointRecords
) -> None:
    class Broken:
        def write(self, answer: str | bytes) -> None:
            raise RuntimeError("a defect")

    broken = Socket(records.storage.ledger, records)
    broken.transport = Broken()
    broken.send("m0", samples='[{"value":"0"}]')
    socket.send("m1")
    assert await socket.answered(1) == [[3, "m1", {}]]


async def test_a_defect_costs_its_batch_and_not_the_writer(
    socket: Socket, records: ChargePointRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = records.storage.ledger

    def failing(*_: object) -> None:
        raise RuntimeError("a defect")

    # One for each writer.
    for number in range(2):
        with monkeypatch.context() as patch:
            patch.setattr("app.transactions.batch_writer._resolve", failing)
            socket.send(f"m{number}", samples=f'[{{"value":"{number}"}}]')
            with pytest.raises(StoreUnavailable):
                await ledger.start_transaction(records.start())
            assert (await socket.answered(number + 1))[-1][2] == "InternalError"
    for number in range(2, 5):
        socket.send(f"m{number}", samples=f'[{{"value":"{number}"}}]')
        assert (await socket.answered(number + 1))[-1] == [3, f"m{number}", {}]


async def test_a_sample_without_a_readable_time_is_stored_once_too(
    records: ChargePointRecords, database_url: str
) -> None:
    ledger = records.storage.ledger
    at_us = 1_767_225_600_000_000
    for later_s, text in enumerate(("then", "then", "now", "then")):
        arrival_us = at_us + later_s * 1_000_000
        readings = [MeterReading(arrival_us, SAMPLES, text)]
        await ledger.meter_values(
            records.readings(transaction_id=7, received_at_us=arrival_us, readings=readings)
        )
    rows = await _stored(records, database_url)
    assert [(row["sampled_at"] == row["received_at"]) for row in rows] == [True, True]
