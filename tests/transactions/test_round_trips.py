"""How often a batch waits for PostgreSQL before its answers, and what happens between its two statements."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.database.connecting import StationConnection
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.ocpp import MeterBatch, MeterQueue
from app.transactions.batch import PLANNER_SETTINGS, write_batch
from app.transactions.ledger import Ledger
from app.transactions.records import LedgerAnswer, LedgerRecord, StopRecorded, TransactionStarted
from app.transactions.store.reading import TransactionStore
from app.transactions.store.transaction_ids import TransactionIds
from tests.support.conversations import new_conversation
from tests.support.recorded import put_command
from tests.support.store import NOW, ChargePointRecords, RecordsMaker, make_command, reading

Step = Callable[[], Awaitable[object]]


class _Counted(StationConnection):
    """A connection that counts what it waits for, BEGIN and COMMIT as well. Each is one round trip."""

    __slots__ = ("after_first", "trips")

    trips: int
    after_first: Step | None

    async def fetch(self, *arguments: Any, **options: Any) -> Any:
        rows = await super().fetch(*arguments, **options)
        await self._count()
        return rows

    async def fetchval(self, *arguments: Any, **options: Any) -> Any:
        value = await super().fetchval(*arguments, **options)
        await self._count()
        return value

    async def execute(self, *arguments: Any, **options: Any) -> str:
        status = await super().execute(*arguments, **options)
        await self._count()
        return status

    async def copy_to_table(self, *arguments: Any, **options: Any) -> str:
        status = await super().copy_to_table(*arguments, **options)
        await self._count()
        return status

    async def _count(self) -> None:
        self.trips += 1
        if self.trips == 1 and self.after_first is not None:
            await self.after_first()


class _Batches:
    """Writes batches as a ledger does, and counts the round trips of the last one."""

    def __init__(self, connection: _Counted) -> None:
        self._connection = connection
        self._ids = TransactionIds()

    async def write(
        self, *records: LedgerRecord, queued: MeterBatch | None = None, after_first: Step | None = None
    ) -> list[LedgerAnswer]:
        """Write a batch. after_first: done after its first statement."""
        self._connection.trips = 0
        self._connection.after_first = after_first
        return await write_batch(self._connection, records, self._ids, timedelta(minutes=3), queued)

    async def start(self, records: ChargePointRecords, **changes: Any) -> int:
        """Start a transaction, and return its id."""
        [answer] = await self.write(records.start(**changes))
        assert isinstance(answer, TransactionStarted)
        return answer.transaction_id

    @property
    def trips(self) -> int:
        """The round trips of the last batch."""
        return self._connection.trips


@pytest.fixture
async def batches(database_url: str, make_records: RecordsMaker) -> AsyncIterator[_Batches]:
    """A writer that has reserved ids already: that takes a round trip for fifty starts."""
    connection = await asyncpg.connect(
        database_url, connection_class=_Counted, server_settings=dict(PLANNER_SETTINGS)
    )
    batches = _Batches(connection)
    await batches.start(await make_records("WARM"))
    yield batches
    await connection.close()


async def test_a_start_takes_two_round_trips(batches: _Batches, records: ChargePointRecords) -> None:
    await batches.start(records)
    assert batches.trips == 2
    [again] = await batches.write(records.start())
    assert batches.trips == 1, "its answer is stored"
    assert isinstance(again, TransactionStarted)
    assert again.repeated
    await batches.start(records, connector_id=2, id_tag="STRANGER", started_at=NOW + timedelta(seconds=1))
    assert batches.trips > 2, "a transaction is open"


async def test_starts_of_several_charge_points_take_two_round_trips(
    batches: _Batches, make_records: RecordsMaker
) -> None:
    stations = [await make_records(f"CP-{number}") for number in range(10)]
    answers = await batches.write(*(station.start() for station in stations))
    assert batches.trips == 2
    assert len(set(map(str, answers))) == 10


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="plain"),
        pytest.param({"id_tag": "TAG-1"}, id="with a tag"),
        pytest.param({"transaction_data": (reading(NOW, [{"value": "7"}]),)}, id="with transactionData"),
    ],
)
async def test_a_stop_takes_two_round_trips(
    batches: _Batches, records: ChargePointRecords, changes: dict[str, Any]
) -> None:
    number = await batches.start(records)
    [answer] = await batches.write(records.stop(number, **changes))
    assert batches.trips == 2
    assert isinstance(answer, StopRecorded)
    assert answer.outcome == "closed"
    assert answer.id_tag_info == ({"status": "Accepted"} if "id_tag" in changes else None)
    assert len(await records.values_of(number)) == len(changes.get("transaction_data", ()))


async def test_a_stop_that_was_asked_for_takes_two_round_trips(
    batches: _Batches, records: ChargePointRecords
) -> None:
    number = await batches.start(records)
    payload = {"transactionId": number}
    command = make_command(records, action="RemoteStopTransaction", payload=payload, state="accepted")
    async with records.database.tenant(records.tenant.id) as work:
        await put_command(work, command)
    await batches.write(records.stop(number))
    assert batches.trips == 2
    await batches.write(records.stop(number))
    assert batches.trips == 1, "its answer is stored"


async def test_rarer_starts_take_a_transaction(batches: _Batches, records: ChargePointRecords) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("ONCE", max_active_transactions=1))
        payload = {"idTag": "TAG-1"}
        command = make_command(records, action="RemoteStartTransaction", payload=payload, state="accepted")
        await put_command(work, command)
    number = await batches.start(records)
    assert batches.trips == 6, "find; begin, lock commands, insert, note the effect, commit"
    await batches.write(records.stop(number))
    await batches.start(records, id_tag="ONCE", connector_id=3)
    assert batches.trips == 6, "find; begin, lock the tag, find what runs, insert, commit"


async def test_a_mixed_batch_is_one_transaction(
    batches: _Batches, records: ChargePointRecords, make_records: RecordsMaker
) -> None:
    number = await batches.start(records)
    other = await make_records("CP-2")
    await batches.write(records.stop(number), other.start())
    assert batches.trips == 6, "find starts; begin, insert, lock, close, commit"


async def test_meter_values_take_one_round_trip(batches: _Batches, records: ChargePointRecords) -> None:
    await batches.write(records.readings("1", "2"))
    assert batches.trips == 1
    meters = MeterQueue(8, 8, lambda: None)
    sample = f'{{"timestamp":"{datetime.now(UTC).isoformat()}","sampledValue":[{{"value":"1"}}]}}'
    payload = f'{{"connectorId":1,"transactionId":1,"meterValue":[{sample}]}}'
    new_conversation(meters=meters).text(f'[2,"1","MeterValues",{payload}]')
    await batches.write(queued=meters.take())
    assert batches.trips == 1


async def test_a_start_that_another_ledger_has_just_written_gets_its_answer(
    batches: _Batches, records: ChargePointRecords, second_ledger: Ledger
) -> None:
    first: list[TransactionStarted] = []

    async def be_faster() -> None:
        first.append(await second_ledger.start_transaction(records.start()))

    [answer] = await batches.write(records.start(), after_first=be_faster)
    assert answer == TransactionStarted(first[0].transaction_id, first[0].id_tag_info, True)


async def test_a_start_ends_what_another_ledger_has_just_started(
    batches: _Batches, records: ChargePointRecords, second_ledger: Ledger
) -> None:
    earlier: list[TransactionStarted] = []

    async def be_faster() -> None:
        earlier.append(await second_ledger.start_transaction(records.start()))

    later = NOW + timedelta(seconds=5)
    start = records.start(started_at=later, received_at=later, meter_start_wh=2000)
    await batches.write(start, after_first=be_faster)
    async with records.database.tenant(records.tenant.id) as work:
        ended = await TransactionStore(work).get(earlier[0].transaction_id)
    assert ended is not None
    assert ended.presumed_ended_reason == "later_start"


@pytest.mark.parametrize(("meter_stop_wh", "outcome"), [(9000, "repeated"), (9001, "conflict")])
async def test_a_stop_of_what_another_ledger_has_just_closed_is_decided_again(
    batches: _Batches,
    records: ChargePointRecords,
    second_ledger: Ledger,
    meter_stop_wh: int,
    outcome: str,
) -> None:
    number = await batches.start(records)

    async def be_faster() -> None:
        await second_ledger.stop_transaction(records.stop(number))

    data = (reading(NOW, [{"value": "7"}]),)
    stop = records.stop(number, meter_stop_wh=meter_stop_wh, transaction_data=data)
    [answer] = await batches.write(stop, after_first=be_faster)
    assert isinstance(answer, StopRecorded)
    assert answer.outcome == outcome
    async with records.database.tenant(records.tenant.id) as work:
        stored = await TransactionStore(work).get(number)
        orphans = await TransactionStore(work).orphan_records(10)
    assert stored is not None
    assert stored.meter_stop_wh == 9000
    assert len(orphans) == (outcome == "conflict")
