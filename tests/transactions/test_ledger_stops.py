"""StopTransaction in the ledger: the first stop closes, and each stop is kept."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.commands.records import CommandRecord
from app.commands.store.commands import CommandStore
from app.id_tags.store import IdTagStore
from app.transactions.ledger import Ledger
from app.transactions.records import TIME_MISSING, TIME_UNREADABLE, StopRecorded
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import StoredOrphan, TransactionRecord
from tests.support.recorded import put_command
from tests.support.store import NOW, ChargePointRecords, RecordsMaker, reading

_END_VALUES = [{"value": "9000", "context": "Transaction.End"}]
_END = reading(NOW + timedelta(hours=1), _END_VALUES)


async def _started(records: ChargePointRecords, **changes: Any) -> int:
    return (await records.storage.ledger.start_transaction(records.start(**changes))).transaction_id


async def _stored(records: ChargePointRecords, transaction_id: int) -> TransactionRecord:
    async with records.database.tenant(records.tenant.id) as work:
        transaction = await TransactionStore(work).get(transaction_id)
    assert transaction is not None
    return transaction


async def _orphans(records: ChargePointRecords) -> list[StoredOrphan]:
    async with records.database.tenant(records.tenant.id) as work:
        return await TransactionStore(work).orphan_records(100)


async def test_a_stop_closes_its_transaction(records: ChargePointRecords) -> None:
    number = await _started(records)
    answer = await records.storage.ledger.stop_transaction(
        records.stop(number, id_tag="tag-1", transaction_data=(_END,))
    )
    assert answer == StopRecorded("closed", {"status": "Accepted"}, number)
    stored = await _stored(records, number)
    assert (stored.stopped_at, stored.meter_stop_wh) == (NOW + timedelta(hours=1), 9000)
    assert stored.stop_reason == "Local"
    assert stored.stop_id_tag == "tag-1"
    assert stored.stop_raw == {"transactionId": number, "meterStop": 9000, "idTag": "tag-1"}
    assert stored.flags == ()
    assert await records.values_of(number) == _END_VALUES
    assert await _orphans(records) == []


async def test_a_stop_without_tag_is_answered_without_tag_information(
    records: ChargePointRecords,
) -> None:
    number = await _started(records)
    answer = await records.storage.ledger.stop_transaction(records.stop(number, reason="EVDisconnected"))
    assert answer == StopRecorded("closed", None, number)
    assert (await _stored(records, number)).stop_reason == "EVDisconnected"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="exactly the same"),
        pytest.param({"received_at": NOW + timedelta(days=1)}, id="a day later"),
        pytest.param({"id_tag": "TAG-1"}, id="tag in another case"),
    ],
)
async def test_a_repeated_stop_gets_the_stored_answer(
    records: ChargePointRecords, change: dict[str, Any]
) -> None:
    number = await _started(records)
    stop = records.stop(number, id_tag="tag-1", transaction_data=(_END,))
    first = await records.storage.ledger.stop_transaction(stop)
    async with records.database.tenant(records.tenant.id) as work:
        await IdTagStore(work).update("TAG-1", status="Blocked")
    second = await records.storage.ledger.stop_transaction(replace(stop, **change))
    assert second == StopRecorded("repeated", first.id_tag_info, number)
    assert await records.values_of(number) == _END_VALUES
    assert await _orphans(records) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"meter_stop_wh": 9001}, id="register"),
        pytest.param({"stopped_at": NOW + timedelta(hours=2)}, id="time"),
        pytest.param({"reason": "Reboot"}, id="reason"),
        pytest.param({"id_tag": "TAG-2"}, id="tag"),
    ],
)
async def test_another_stop_is_kept_as_a_conflict(
    records: ChargePointRecords, change: dict[str, Any]
) -> None:
    number = await _started(records)
    stop = records.stop(number, id_tag="TAG-1", transaction_data=(_END,))
    await records.storage.ledger.stop_transaction(stop)
    before = await _stored(records, number)
    other = replace(stop, **change)
    for _ in range(2):
        answer = await records.storage.ledger.stop_transaction(other)
        assert answer == StopRecorded("conflict", {"status": "Accepted"}, number)
    assert await _stored(records, number) == before
    [orphan] = await _orphans(records)
    assert (orphan.kind, orphan.transaction_id) == ("stop_conflict", number)


@pytest.mark.parametrize("number", [2**31 - 1, 2**63 - 1, 0, -1, -(2**63)])
async def test_a_stop_of_an_unknown_transaction_is_kept_once(
    records: ChargePointRecords, number: int
) -> None:
    stop = records.stop(number, transaction_data=(_END,))
    for _ in range(2):
        assert await records.storage.ledger.stop_transaction(stop) == StopRecorded("orphan", None)
    [orphan] = await _orphans(records)
    assert orphan.kind == "stop_unknown_transaction"
    assert orphan.payload["transactionId"] == number
    async with records.database.tenant(records.tenant.id) as work:
        [values] = await TransactionStore(work).meter_values_of_charge_point(records.record.id, 10)
    assert (values.context, values.transaction_id) == ("stop", number)


async def test_a_stop_does_not_reach_the_transaction_of_another_charge_point(
    records: ChargePointRecords, make_records: RecordsMaker
) -> None:
    number = await _started(records)
    other = await make_records("CP-2")
    assert (await other.storage.ledger.stop_transaction(other.stop(number))).outcome == "orphan"
    assert (await _stored(records, number)).stopped_received_at is None


@pytest.mark.parametrize("number", [-1, 0, None])
@pytest.mark.parametrize("id_tag", [None, "tag-1"])
async def test_a_stop_without_valid_id_closes_the_open_transaction_that_came_last(
    records: ChargePointRecords, number: int | None, id_tag: str | None
) -> None:
    older = await _started(records, started_at=NOW + timedelta(minutes=1))
    newer = await _started(records, connector_id=2, started_at=NOW - timedelta(minutes=1))
    stop = records.stop(number, id_tag=id_tag)
    assert (await records.storage.ledger.stop_transaction(stop)).transaction_id == newer
    again = await records.storage.ledger.stop_transaction(stop)
    assert (again.outcome, again.transaction_id) == ("repeated", newer)
    assert (await _stored(records, older)).stopped_received_at is None


async def test_a_stop_without_valid_id_closes_that_of_its_tag_before_others(
    records: ChargePointRecords,
) -> None:
    number = await _started(records)
    other = await _started(records, connector_id=2, id_tag="OTHER")
    for tag, closed, meter_wh in (("TAG-1", number, 9000), ("TAG-3", other, 9001)):
        stop = records.stop(-1, id_tag=tag, meter_stop_wh=meter_wh)
        answer = await records.storage.ledger.stop_transaction(stop)
        assert (answer.outcome, answer.transaction_id) == ("closed", closed)


async def test_a_repeated_stop_without_valid_id_and_time_leaves_other_transactions_open(
    records: ChargePointRecords,
) -> None:
    other = await _started(records)
    newer = await _started(records, connector_id=2, started_at=NOW + timedelta(minutes=1))
    for minutes in (10, 20):
        at = NOW + timedelta(minutes=minutes)
        stop = records.stop(-1, stopped_at=at, received_at=at, flags=(TIME_UNREADABLE,))
        assert (await records.storage.ledger.stop_transaction(stop)).transaction_id == newer
    assert (await _stored(records, other)).stopped_received_at is None


async def test_a_start_joins_the_stop_that_came_first(records: ChargePointRecords) -> None:
    ledger = records.storage.ledger
    stop = records.stop(-1, id_tag="TAG-1", reason="PowerLoss", transaction_data=(_END,))
    assert (await ledger.stop_transaction(stop)).outcome == "orphan"
    number = await _started(records, received_at=NOW + timedelta(hours=2))
    stored = await _stored(records, number)
    assert (stored.stopped_at, stored.meter_stop_wh) == (stop.stopped_at, 9000)
    assert stored.stop_reason == "PowerLoss"
    assert stored.flags == ("replayed", "stop_came_first")
    assert await records.values_of(number) == _END_VALUES
    [orphan] = await _orphans(records)
    assert orphan.transaction_id == number
    assert await ledger.stop_transaction(stop) == StopRecorded("repeated", None, number)
    assert await records.values_of(number) == _END_VALUES


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"started_at": NOW + timedelta(hours=2)}, id="it began after the stop"),
        pytest.param({"meter_start_wh": 9001}, id="its register is above the stop's"),
        pytest.param({"id_tag": "OTHER"}, id="another tag"),
    ],
)
async def test_a_start_leaves_a_stop_that_cannot_be_its_own(
    records: ChargePointRecords, change: dict[str, Any]
) -> None:
    await records.storage.ledger.stop_transaction(records.stop(-1, id_tag="TAG-1"))
    number = await _started(records, **change)
    assert (await _stored(records, number)).stopped_received_at is None


async def test_a_waiting_stop_is_joined_once(records: ChargePointRecords) -> None:
    await records.storage.ledger.stop_transaction(records.stop(0))
    first = await _started(records)
    second = await _started(records, meter_start_wh=1001)
    assert (await _stored(records, first)).stopped_received_at is not None
    assert (await _stored(records, second)).stopped_received_at is None


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        pytest.param({"meter_stop_wh": 999}, ("meter_decreased",), id="register fell"),
        pytest.param({"stopped_at": NOW - timedelta(seconds=1)}, ("stop_before_start",), id="ends before"),
        pytest.param({"flags": (TIME_UNREADABLE,)}, (TIME_UNREADABLE,), id="no time"),
    ],
)
async def test_odd_stops_close_with_a_flag(
    records: ChargePointRecords, change: dict[str, Any], flags: tuple[str, ...]
) -> None:
    number = await _started(records)
    answer = await records.storage.ledger.stop_transaction(records.stop(number, **change))
    assert answer.outcome == "closed"
    assert (await _stored(records, number)).flags == flags


async def test_a_repeated_stop_with_unreadable_time_is_known_again(records: ChargePointRecords) -> None:
    number = await _started(records)
    stop = records.stop(number, flags=(TIME_UNREADABLE,))
    await records.storage.ledger.stop_transaction(stop)
    again = replace(stop, stopped_at=NOW + timedelta(hours=5))
    assert (await records.storage.ledger.stop_transaction(again)).outcome == "repeated"


async def test_equal_stops_at_once_on_two_workers_close_once(
    records: ChargePointRecords, second_ledger: Ledger
) -> None:
    ledgers = [records.storage.ledger, second_ledger]
    for number in range(20):
        transaction_id = await _started(records, meter_start_wh=number)
        stop = records.stop(transaction_id)
        answers = await asyncio.gather(*(ledger.stop_transaction(stop) for ledger in ledgers * 2))
        outcomes = sorted(answer.outcome for answer in answers)
        assert outcomes == ["closed", "repeated", "repeated", "repeated"]


async def test_equal_stops_without_valid_id_at_once_on_two_workers_close_one_transaction(
    records: ChargePointRecords, second_ledger: Ledger
) -> None:
    ledgers = [records.storage.ledger, second_ledger]
    for number in range(20):
        older = await _started(records, meter_start_wh=number)
        newer = await _started(records, meter_start_wh=number, connector_id=2)
        # Another register in each round, or it would repeat the stop of the round before.
        stop = records.stop(-1, meter_stop_wh=9000 + number)
        answers = await asyncio.gather(*(ledger.stop_transaction(stop) for ledger in ledgers))
        assert sorted(answer.outcome for answer in answers) == ["closed", "repeated"]
        assert {answer.transaction_id for answer in answers} == {newer}
        await records.storage.ledger.stop_transaction(records.stop(older))


async def test_two_different_stops_in_one_batch_are_one_close_and_one_conflict(
    records: ChargePointRecords,
) -> None:
    number = await _started(records)
    ledger = records.storage.ledger
    answers = await asyncio.gather(
        *(ledger.stop_transaction(records.stop(number, meter_stop_wh=wh)) for wh in (5000, 6000))
    )
    assert [answer.outcome for answer in answers] == ["closed", "conflict"]
    assert (await _stored(records, number)).meter_stop_wh == 5000


async def test_a_start_and_its_stop_may_share_a_batch(records: ChargePointRecords) -> None:
    ledger = records.storage.ledger
    start, stop = await asyncio.gather(
        ledger.start_transaction(records.start()), ledger.stop_transaction(records.stop(-1))
    )
    assert stop == StopRecorded("closed", None, start.transaction_id)


@pytest.mark.parametrize("before", [None, {"observed": "no_effect"}])
async def test_a_stop_is_the_effect_of_the_remote_stop_that_asked_for_it(
    records: ChargePointRecords, before: dict[str, Any] | None
) -> None:
    number = await _started(records)
    command = CommandRecord(
        id=uuid4(),
        **records.place,
        identity="CP-1",
        action="RemoteStopTransaction",
        payload={"transactionId": number},
        state="accepted",
        created_at=NOW,
        deadline_at=NOW,
        timeout_s=30.0,
        issued_by="test",
        effect=before,
    )
    async with records.database.tenant(records.tenant.id) as work:
        await put_command(work, command)
    await records.storage.ledger.stop_transaction(records.stop(number))
    async with records.database.tenant(records.tenant.id) as work:
        stored = await CommandStore(work).get(command.id)
    assert stored is not None
    assert stored.effect == {"observed": "transaction_stopped", "transactionId": number}


async def test_text_that_cannot_be_stored_is_replaced(records: ChargePointRecords) -> None:
    number = await _started(records)
    stop = records.stop(
        number,
        id_tag="A\x00",
        reason="\ud800",
        raw={"vendor\x00": ["\x00", "\udfff"], "big": 2**70},
        transaction_data=(reading(NOW, [{"value": "\x00", "unit": "\ud800"}]),),
    )
    for outcome in ("closed", "repeated"):
        assert (await records.storage.ledger.stop_transaction(stop)).outcome == outcome
    stored = await _stored(records, number)
    assert stored.stop_raw is not None
    assert stored.stop_raw["vendor\ufffd"] == ["\ufffd", "\ufffd"]
    assert await records.values_of(number) == [{"value": "\ufffd", "unit": "\ufffd"}]


async def test_a_register_that_comes_later_completes_a_stop_without_one(records: ChargePointRecords) -> None:
    number = await _started(records)
    ledger = records.storage.ledger
    cut_off = records.stop(number, meter_stop_wh=None, flags=(TIME_UNREADABLE, "meter_missing"))
    whole = records.stop(number, id_tag="TAG-1", transaction_data=(_END,))
    outcomes = [(await ledger.stop_transaction(stop)).outcome for stop in (cut_off, whole, whole)]
    assert outcomes == ["closed", "conflict", "conflict"]
    await ledger.stop_transaction(records.stop(number, meter_stop_wh=1))
    stored = await _stored(records, number)
    assert stored.meter_stop_wh == 9000
    assert stored.flags == (TIME_UNREADABLE, "meter_missing", "register_came_later")
    assert await records.values_of(number) == _END_VALUES
    assert [orphan.kind for orphan in await _orphans(records)] == ["stop_conflict"] * 2


async def test_a_register_may_come_later_in_the_same_batch(records: ChargePointRecords) -> None:
    number = await _started(records)
    stops = [records.stop(number, meter_stop_wh=wh) for wh in (None, 500, 9000)]
    await asyncio.gather(*map(records.storage.ledger.stop_transaction, stops))
    stored = await _stored(records, number)
    assert (stored.meter_stop_wh, stored.flags) == (500, ("register_came_later", "meter_decreased"))


async def test_a_whole_copy_of_a_damaged_stop_without_an_id_closes_no_other_transaction(
    records: ChargePointRecords,
) -> None:
    ledger = records.storage.ledger
    other = await _started(records, connector_id=2, id_tag="OTHER", meter_start_wh=5)
    number = await _started(records)
    cut_off = records.stop(
        None, meter_stop_wh=None, id_tag="TAG-1", flags=(TIME_MISSING,), stopped_at=NOW + timedelta(hours=2)
    )
    whole = records.stop(-1, id_tag="TAG-1")
    numbers = [(await ledger.stop_transaction(stop)).transaction_id for stop in (cut_off, whole, whole)]
    assert numbers == [number] * 3
    assert (await _stored(records, number)).meter_stop_wh == 9000
    assert (await _stored(records, other)).stopped_at is None
    again = await _started(records, started_at=NOW + timedelta(hours=3), meter_start_wh=9000)
    stop = records.stop(-1, id_tag="TAG-1", meter_stop_wh=9500, stopped_at=NOW + timedelta(hours=4))
    assert (await ledger.stop_transaction(stop)).transaction_id == again
