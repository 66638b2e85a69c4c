"""Each change of a transaction, and each batch of meter values, tells one event, also if it is repeated."""

from datetime import timedelta
from typing import Any

import pytest

from app.audit.records import NewAuditEntry
from app.clock import microseconds_of, moment_of
from app.events.records import EventFilter
from app.transactions.records import OperatorEnd, SessionsOver, TransactionStarted
from tests.events.conftest import Told
from tests.support.conversations import new_conversation
from tests.support.store import NOW, ChargePointRecords, RecordsMaker, reading


async def start(records: ChargePointRecords, **changes: Any) -> TransactionStarted:
    return await records.storage.ledger.start_transaction(records.start(**changes))


async def test_a_start_tells_one_event_and_its_repetition_none(
    records: ChargePointRecords, told: Told
) -> None:
    started = await start(records)
    again = await start(records)
    assert again.repeated
    [payload] = await told.payloads("transaction.started")
    assert payload == {
        "id": started.transaction_id,
        "connector_id": 1,
        "id_tag": "TAG-1",
        "started_at": "2026-03-01T12:00:00.000Z",
        "started_received_at": "2026-03-01T12:00:01.000Z",
        "meter_start_wh": 1000,
        "reservation_id": None,
        "id_tag_info": {"status": "Accepted"},
        "flags": [],
        "remote_start_command_id": None,
    }
    [event] = await told.all()
    assert (event.charge_point, event.occurred_at) == ("CP-1", NOW + timedelta(seconds=1))


async def test_a_start_under_locks_tells_its_event_too(records: ChargePointRecords, told: Told) -> None:
    await start(records)
    later = NOW + timedelta(minutes=5)
    second = await start(records, started_at=later, received_at=later, meter_start_wh=2000)
    started = await told.payloads("transaction.started")
    assert [payload["id"] for payload in started][1:] == [second.transaction_id]
    [over] = await told.payloads("transaction.presumed_ended")
    assert (over["presumed_ended_reason"], over["connector_id"]) == ("later_start", 1)


@pytest.mark.parametrize("data", [(), (reading(NOW, [{"value": "7"}]),)], ids=["plain", "with readings"])
async def test_a_stop_tells_one_event_and_its_repetition_none(
    records: ChargePointRecords, told: Told, data: Any
) -> None:
    number = (await start(records)).transaction_id
    for _ in range(2):
        await records.storage.ledger.stop_transaction(records.stop(number, transaction_data=data))
    [payload] = await told.payloads("transaction.ended")
    assert payload == {
        "id": number,
        "connector_id": 1,
        "started_at": "2026-03-01T12:00:00.000Z",
        "meter_start_wh": 1000,
        "stopped_at": "2026-03-01T13:00:00.000Z",
        "stopped_received_at": "2026-03-01T13:00:01.000Z",
        "meter_stop_wh": 9000,
        "energy_wh": 8000,
        "stop_reason": "Local",
        "stop_id_tag": None,
        "flags": [],
    }
    batches = [event.batch for event in await told.all() if event.batch]
    assert [one.transaction_id for batch in batches for one in batch] == [number] * len(data)


async def test_a_register_that_comes_later_updates_the_transaction(
    records: ChargePointRecords, told: Told
) -> None:
    number = (await start(records)).transaction_id
    ledger = records.storage.ledger
    await ledger.stop_transaction(records.stop(number, meter_stop_wh=None, raw={"transactionId": number}))
    await ledger.stop_transaction(records.stop(number))
    [payload] = await told.payloads("transaction.updated")
    assert (payload["id"], payload["meter_stop_wh"], payload["energy_wh"]) == (number, 9000, 8000)


async def test_a_boot_tells_what_is_presumed_to_be_over(records: ChargePointRecords, told: Told) -> None:
    number = (await start(records)).transaction_id
    ledger = records.storage.ledger
    await ledger.meter_values(records.readings("2500", transaction_id=number))
    at = NOW + timedelta(hours=2)
    over = SessionsOver(records.tenant.id, records.record.id, None, "boot", at)
    for _ in range(2):
        await ledger.sessions_over(over)
    [payload] = await told.payloads("transaction.presumed_ended")
    assert (payload["id"], payload["presumed_ended_reason"]) == (number, "boot")
    assert (payload["presumed_ended_at"], payload["last_meter_wh"]) == ("2026-03-01T14:00:00.000Z", 2500)


@pytest.mark.parametrize(("meter_stop_wh", "last_wh"), [(None, 1000), (5000, 5000)])
async def test_an_end_by_hand_tells_its_register(
    records: ChargePointRecords, told: Told, meter_stop_wh: int | None, last_wh: int
) -> None:
    number = (await start(records)).transaction_id
    tenant_id, point = records.tenant.id, records.record.id
    entry = NewAuditEntry(tenant_id, NOW, "key:test", "end_transaction", f"/v1/transactions/{number}", "test")
    act = OperatorEnd(tenant_id, point, number, meter_stop_wh, NOW, entry)
    assert await records.storage.ledger.operator_act(act) == "done"
    [payload] = await told.payloads("transaction.presumed_ended")
    assert (payload["presumed_ended_reason"], payload["last_meter_wh"]) == ("operator", last_wh)


def queue(records: ChargePointRecords, point: int, transaction_id: int, minutes: int) -> None:
    """Put MeterValues of a charge point into the queue of the ledger, as its conversation does."""
    at = NOW + timedelta(minutes=minutes)
    conversation = new_conversation(
        meters=records.storage.ledger.meters, tenant_id=records.tenant.id, charge_point_id=point
    )
    sample = f'{{"timestamp":"{at.isoformat()}","sampledValue":[{{"value":"1"}}]}}'
    payload = f'{{"connectorId":1,"transactionId":{transaction_id},"meterValue":[{sample}]}}'
    conversation.text(f'[2,"{minutes}","MeterValues",{payload}]')


async def test_queued_meter_values_are_one_event_that_names_them(
    records: ChargePointRecords, make_records: RecordsMaker, told: Told
) -> None:
    other = await make_records("CP-2")
    queue(records, records.record.id, 7, 1)
    queue(records, other.record.id, 4_000_000, 2)
    queue(records, records.record.id, 7, 3)
    # The records are committed with this one, or before it.
    await records.storage.ledger.meter_values(records.readings("5", connector_id=3))
    events = [event for event in await told.all() if event.type == "meter_values.recorded"]
    readings = [one for event in events for one in event.batch]
    assert sorted(
        (one.charge_point, one.transaction_id, moment_of(one.sampled_at_ms[0] * 1000))
        for one in readings
        if one.connector_id == 1
    ) == [
        ("CP-1", 7, NOW + timedelta(minutes=1)),
        ("CP-1", 7, NOW + timedelta(minutes=3)),
        ("CP-2", 4_000_000, NOW + timedelta(minutes=2)),
    ]
    assert len(events) <= 3
    only = EventFilter(charge_points=frozenset({"CP-2"}))
    page = await told.reader.read(told.tenant_id, 0, 100, only)
    assert [one.charge_point for event in page.events for one in event.batch] == ["CP-2"]


async def test_meter_values_that_are_repeated_tell_what_is_new(
    records: ChargePointRecords, told: Told
) -> None:
    number = (await start(records)).transaction_id
    await records.storage.ledger.meter_values(records.readings("1", "2"))
    await records.storage.ledger.meter_values(records.readings("1", "2", "3"))
    batches = [event.batch for event in await told.all() if event.batch]
    minutes = [
        [(one.sampled_at_ms[0] * 1000 - microseconds_of(NOW)) // 60_000_000 for one in batch]
        for batch in batches
    ]
    assert minutes == [[1, 2], [3]]
    assert {one.transaction_id for batch in batches for one in batch} == {number}
