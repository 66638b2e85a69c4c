"""StartTransaction in the ledger: once, with one answer, and never refused."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.commands.records import CommandRecord
from app.commands.store.commands import CommandStore
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.transactions.ledger import Ledger
from app.transactions.records import TIME_UNREADABLE, PresumedReason, SessionsOver, TransactionStart
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import TransactionFilter
from tests.support.recorded import put_command
from tests.support.store import NOW, ChargePointRecords, RecordsMaker


async def _count(records: ChargePointRecords) -> int:
    async with records.database.tenant(records.tenant.id) as work:
        return len(await TransactionStore(work).page(1000))


async def test_a_start_gets_a_positive_id_and_the_tags_status(records: ChargePointRecords) -> None:
    answer = await records.storage.ledger.start_transaction(records.start())
    assert answer.transaction_id > 0
    assert answer.id_tag_info == {"status": "Accepted"}
    assert not answer.repeated


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="exactly the same"),
        pytest.param({"received_at": NOW + timedelta(hours=3)}, id="hours later"),
        pytest.param({"id_tag": "tag-1"}, id="tag in another case"),
    ],
)
async def test_a_repeated_start_gets_the_stored_answer(
    records: ChargePointRecords, change: dict[str, Any]
) -> None:
    ledger = records.storage.ledger
    first = await ledger.start_transaction(records.start())
    async with records.database.tenant(records.tenant.id) as work:
        await IdTagStore(work).update("TAG-1", status="Blocked")
    second = await ledger.start_transaction(records.start(**change))
    assert second == replace(first, repeated=True)
    assert await _count(records) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"started_at": NOW + timedelta(seconds=1)}, id="another time"),
        pytest.param({"meter_start_wh": 1001}, id="another register"),
        pytest.param({"connector_id": 2}, id="another connector"),
        pytest.param({"id_tag": "TAG-2"}, id="another tag"),
    ],
)
async def test_another_start_is_another_transaction(
    records: ChargePointRecords, change: dict[str, Any]
) -> None:
    ledger = records.storage.ledger
    first = await ledger.start_transaction(records.start())
    second = await ledger.start_transaction(records.start(**change))
    assert second.transaction_id != first.transaction_id
    assert not second.repeated


async def test_equal_starts_of_one_batch_are_one_transaction(records: ChargePointRecords) -> None:
    ledger = records.storage.ledger
    answers = await asyncio.gather(*(ledger.start_transaction(records.start()) for _ in range(20)))
    assert len({answer.transaction_id for answer in answers}) == 1
    assert [answer.repeated for answer in answers].count(False) == 1
    assert await _count(records) == 1


async def test_equal_starts_on_two_workers_are_one_transaction(
    records: ChargePointRecords, second_ledger: Ledger
) -> None:
    ledgers = [records.storage.ledger, second_ledger]
    for number in range(30):
        start = records.start(meter_start_wh=number)
        answers = await asyncio.gather(*(ledger.start_transaction(start) for ledger in ledgers))
        assert answers[0].transaction_id == answers[1].transaction_id
        assert sorted(answer.repeated for answer in answers) == [False, True]
    assert await _count(records) == 30


async def test_starts_with_unreadable_times_are_told_apart_by_their_text(
    records: ChargePointRecords,
) -> None:
    ledger = records.storage.ledger

    def start(text: str) -> TransactionStart:
        return records.start(flags=(TIME_UNREADABLE,), raw={"timestamp": text})

    first, second, again = [
        await ledger.start_transaction(start(text)) for text in ("26/11/2026", "27/11/2026", "26/11/2026")
    ]
    assert first.transaction_id != second.transaction_id
    assert (again.transaction_id, again.repeated) == (first.transaction_id, True)


async def test_a_start_with_unreadable_time_is_known_again(records: ChargePointRecords) -> None:
    ledger = records.storage.ledger
    flags = (TIME_UNREADABLE,)
    first = await ledger.start_transaction(records.start(flags=flags))
    later = NOW + timedelta(minutes=2)
    second = await ledger.start_transaction(records.start(flags=flags, started_at=later, received_at=later))
    assert second == replace(first, repeated=True)
    async with records.database.tenant(records.tenant.id) as work:
        stored = await TransactionStore(work).get(first.transaction_id)
    assert stored is not None
    assert stored.flags == flags
    assert stored.started_at == NOW


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ("UNKNOWN", "Invalid"),
        ("BLOCKED", "Blocked"),
        ("INVALID", "Invalid"),
        ("EXPIRED", "Expired"),
        ("FULL", "ConcurrentTx"),
    ],
)
async def test_no_start_is_refused(records: ChargePointRecords, tag: str, status: str) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("BLOCKED", status="Blocked"))
        await IdTagStore(work).create(NewIdTag("INVALID", status="Invalid"))
        await IdTagStore(work).create(NewIdTag("EXPIRED", expires_at=NOW - timedelta(days=1)))
        await IdTagStore(work).create(NewIdTag("FULL", max_active_transactions=0))
    answer = await records.storage.ledger.start_transaction(records.start(id_tag=tag))
    assert answer.id_tag_info["status"] == status
    assert answer.transaction_id > 0


async def test_expiry_is_judged_by_our_time_online_and_by_the_reported_time_for_a_replay(
    records: ChargePointRecords,
) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        await IdTagStore(work).create(
            NewIdTag("TEMP", expires_at=NOW + timedelta(hours=1), parent_id_tag="GROUP")
        )
    ledger = records.storage.ledger
    late = NOW + timedelta(hours=2)
    online = await ledger.start_transaction(records.start(id_tag="TEMP", started_at=late, received_at=late))
    replayed = await ledger.start_transaction(records.start(id_tag="TEMP", received_at=late))
    expected = {"expiryDate": "2026-03-01T13:00:00.000Z", "parentIdTag": "GROUP"}
    assert online.id_tag_info == {"status": "Expired", **expected}
    assert replayed.id_tag_info == {"status": "Accepted", **expected}
    async with records.database.tenant(records.tenant.id) as work:
        stored = await TransactionStore(work).get(replayed.transaction_id)
    assert stored is not None
    assert stored.flags == ("replayed",)


async def test_a_limited_tag_is_accepted_once_under_a_race(
    storage: Storage, tenant: TenantRecord, make_records: RecordsMaker, second_ledger: Ledger
) -> None:
    async with storage.database.tenant(tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("ONE", max_active_transactions=1))
    stations = [await make_records(f"RACE-{number}") for number in range(50)]
    ledgers = [storage.ledger, second_ledger]
    answers = await asyncio.gather(
        *(
            ledgers[number % 2].start_transaction(records.start(id_tag="ONE"))
            for number, records in enumerate(stations)
        )
    )
    statuses = [answer.id_tag_info["status"] for answer in answers]
    assert statuses.count("Accepted") == 1
    assert statuses.count("ConcurrentTx") == 49
    assert len({answer.transaction_id for answer in answers}) == 50


async def test_a_stopped_transaction_frees_its_tag(records: ChargePointRecords) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("ONE", max_active_transactions=1))
    ledger = records.storage.ledger
    first = await ledger.start_transaction(records.start(id_tag="ONE"))
    await ledger.stop_transaction(records.stop(first.transaction_id))
    again = await ledger.start_transaction(records.start(id_tag="ONE", connector_id=2))
    assert again.id_tag_info["status"] == "Accepted"


async def test_a_later_start_on_the_same_connector_frees_the_tag_of_a_lost_stop(
    records: ChargePointRecords,
) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("ONE", max_active_transactions=1))
    ledger = records.storage.ledger
    await ledger.start_transaction(records.start(id_tag="ONE"))
    later = NOW + timedelta(minutes=1)
    again = await ledger.start_transaction(
        records.start(id_tag="ONE", started_at=later, received_at=later, meter_start_wh=2000)
    )
    assert again.id_tag_info["status"] == "Accepted"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"id_tag": "TAG\x001"}, id="NUL in the tag"),
        pytest.param({"id_tag": "TAG\ud800"}, id="lone surrogate in the tag"),
        pytest.param({"meter_start_wh": -(2**62)}, id="negative register"),
        pytest.param({"connector_id": 0}, id="connector 0"),
        pytest.param({"connector_id": 2**40}, id="connector beyond 32 bits"),
        pytest.param({"started_at": datetime(1970, 1, 1, tzinfo=UTC)}, id="1970"),
        pytest.param({"started_at": datetime(9999, 12, 31, tzinfo=UTC)}, id="9999"),
        pytest.param({"started_at": datetime(2, 1, 1, tzinfo=UTC)}, id="year 2"),
        pytest.param({"reservation_id": 2**63 - 1}, id="large reservation"),
    ],
)
async def test_odd_starts_are_kept_and_known_again(
    records: ChargePointRecords, change: dict[str, Any]
) -> None:
    ledger = records.storage.ledger
    first = await ledger.start_transaction(records.start(**change))
    assert await ledger.start_transaction(records.start(**change)) == replace(first, repeated=True)


def _remote_start(records: ChargePointRecords, created_at: datetime = NOW, **changes: Any) -> CommandRecord:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "identity": records.record.identity,
        "action": "RemoteStartTransaction",
        "payload": {"idTag": "tag-1", "connectorId": 1},
        "state": "accepted",
        "created_at": created_at,
        "deadline_at": created_at + timedelta(seconds=60),
        "timeout_s": 30.0,
        "issued_by": "test",
    }
    return CommandRecord(**records.place, **(fields | changes))


async def _insert(records: ChargePointRecords, command: CommandRecord) -> UUID:
    async with records.database.tenant(records.tenant.id) as work:
        return (await put_command(work, command)).id


@pytest.mark.parametrize(
    ("changes", "linked"),
    [
        pytest.param({}, True, id="the same tag and connector"),
        pytest.param({"payload": {"idTag": "TAG-1"}}, True, id="any connector"),
        pytest.param({"state": "timed_out"}, True, id="its answer came too late"),
        pytest.param({"state": "rejected"}, False, id="it was rejected"),
        pytest.param({"payload": {"idTag": "TAG-1", "connectorId": 2}}, False, id="another connector"),
        pytest.param({"payload": {"idTag": "TAG-2"}}, False, id="another tag"),
        pytest.param({"created_at": NOW - timedelta(seconds=301)}, False, id="too long ago"),
        pytest.param({"action": "Reset"}, False, id="another action"),
        pytest.param({"effect": {"observed": "transaction_started"}}, False, id="it has its effect"),
        pytest.param({"effect": {"observed": "no_effect"}}, True, id="nothing was observed before"),
        pytest.param(
            {"created_at": NOW - timedelta(hours=9), "sent_at": NOW}, True, id="it has waited to be sent"
        ),
    ],
)
async def test_a_start_is_the_effect_of_the_remote_start_that_asked_for_it(
    records: ChargePointRecords, changes: dict[str, Any], linked: bool
) -> None:
    command_id = await _insert(records, _remote_start(records, **changes))
    answer = await records.storage.ledger.start_transaction(records.start())
    async with records.database.tenant(records.tenant.id) as work:
        command = await CommandStore(work).get(command_id)
        transaction = await TransactionStore(work).get(answer.transaction_id)
    assert command is not None
    assert transaction is not None
    assert transaction.remote_start_command_id == (command_id if linked else None)
    effect = {"observed": "transaction_started", "transactionId": answer.transaction_id}
    assert (command.effect == effect) is linked


@pytest.mark.parametrize(("hours", "linked"), [(2, True), (25, False)])
async def test_a_start_from_an_offline_queue_is_a_late_effect(
    records: ChargePointRecords, hours: int, linked: bool
) -> None:
    asked_at = NOW - timedelta(hours=hours)
    nothing = {"observed": "no_effect"}
    command_id = await _insert(records, _remote_start(records, asked_at, effect=nothing))
    start = records.start(started_at=asked_at + timedelta(seconds=60), received_at=NOW)
    answer = await records.storage.ledger.start_transaction(start)
    async with records.database.tenant(records.tenant.id) as work:
        command = await CommandStore(work).get(command_id)
    assert command is not None
    assert command.effect == (
        {"observed": "transaction_started", "transactionId": answer.transaction_id} if linked else nothing
    )


async def test_the_newest_remote_start_is_linked_and_only_once(records: ChargePointRecords) -> None:
    older = await _insert(records, _remote_start(records, NOW - timedelta(seconds=20)))
    newer = await _insert(records, _remote_start(records, NOW - timedelta(seconds=10)))
    ledger = records.storage.ledger
    answers = [await ledger.start_transaction(records.start(meter_start_wh=n)) for n in (1, 2, 3)]
    await ledger.start_transaction(records.start(meter_start_wh=1))
    async with records.database.tenant(records.tenant.id) as work:
        stored = {row.id: row for row in await TransactionStore(work).page(10)}
    commands = [stored[answer.transaction_id].remote_start_command_id for answer in answers]
    assert commands == [newer, older, None]


async def test_transactions_are_found_by_filter(records: ChargePointRecords) -> None:
    ledger = records.storage.ledger
    first = await ledger.start_transaction(records.start())
    second = await ledger.start_transaction(records.start(connector_id=2, id_tag="TAG-9"))
    await ledger.stop_transaction(records.stop(first.transaction_id))

    async def found(**fields: Any) -> list[int]:
        async with records.database.tenant(records.tenant.id) as work:
            return [
                row.id for row in await TransactionStore(work).page(10, None, TransactionFilter(**fields))
            ]

    both = [second.transaction_id, first.transaction_id]
    assert await found() == both
    assert await found(identity="CP-1") == both
    assert await found(identity="CP-2") == []
    assert await found(open=True) == both[:1]
    assert await found(open=False) == both[1:]
    assert await found(id_tag="tag-9") == both[:1]
    assert await found(connector_id=1) == both[1:]
    assert await found(from_at=NOW, to_at=NOW + timedelta(seconds=1)) == both
    assert await found(to_at=NOW) == []


async def test_a_start_with_a_tag_that_no_index_holds_is_stored_once(records: ChargePointRecords) -> None:
    ledger = records.storage.ledger
    long = "".join(f"{number:x}" for number in range(9000))
    answers = [await ledger.start_transaction(records.start(id_tag=tag)) for tag in (long, long, long + "x")]
    assert [answer.repeated for answer in answers] == [False, True, False]
    stop = await ledger.stop_transaction(records.stop(-1, id_tag=long))
    assert stop.transaction_id == answers[0].transaction_id


@pytest.mark.parametrize("reason", ["boot", "available"])
async def test_a_start_is_not_over_because_of_what_came_before_it(
    records: ChargePointRecords, reason: PresumedReason
) -> None:
    ledger = records.storage.ledger
    start = records.start()
    for seconds in (-1, 1):
        at = start.received_at + timedelta(seconds=seconds)
        connector = None if reason == "boot" else start.connector_id
        over = SessionsOver(records.tenant.id, records.record.id, connector, reason, at)
        await asyncio.gather(ledger.sessions_over(over), ledger.start_transaction(start))
        assert await _open_count(records) == (seconds < 0)


async def test_of_several_starts_in_one_batch_the_last_one_runs(records: ChargePointRecords) -> None:
    starts = [records.start(meter_start_wh=wh) for wh in (1000, 2000, 3000)]
    answers = await asyncio.gather(*map(records.storage.ledger.start_transaction, starts))
    async with records.database.tenant(records.tenant.id) as work:
        page = await TransactionStore(work).page(1000)
    running = [item.id for item in page if item.presumed_ended_at is None]
    assert running == [answers[-1].transaction_id]


async def _open_count(records: ChargePointRecords) -> int:
    async with records.database.tenant(records.tenant.id) as work:
        page = await TransactionStore(work).page(1000)
    return sum(item.presumed_ended_at is None for item in page)
