"""How many transactions may run on a group: all tags with one parentIdTag."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.charge_points.store import ChargePointStore
from app.id_tags.records import AuthorizationPolicyRecord, NewIdTag
from app.id_tags.service import Authorizer
from app.id_tags.store import AuthorizationPolicyStore, IdTagStore
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from app.transactions.ledger import Ledger
from app.transactions.records import SessionsOver
from app.transactions.store.starts import _FIND_RUNNING_IN_GROUPS
from app.types import ChargePointId, TenantId
from tests.support.store import NOW, ChargePointRecords, RecordsMaker

LATER = NOW + timedelta(minutes=5)


async def tags(records: ChargePointRecords, *new: NewIdTag) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        for tag in new:
            await IdTagStore(work).create(tag)


async def policy(records: ChargePointRecords, limit: int | None) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        record = AuthorizationPolicyRecord(max_active_transactions_of_group=limit)
        await AuthorizationPolicyStore(work).put(record)


async def started(records: ChargePointRecords, id_tag: str, connector_id: int = 1, **changes: Any) -> str:
    start = records.start(id_tag=id_tag, connector_id=connector_id, **changes)
    answer = await records.storage.ledger.start_transaction(start)
    return str(answer.id_tag_info["status"])


FLEET = NewIdTag("FLEET", max_active_transactions_of_group=2)
MEMBERS = [NewIdTag(name, parent_id_tag="Fleet") for name in "ABC"]


async def test_a_group_has_a_limit_of_its_own(records: ChargePointRecords) -> None:
    await tags(records, FLEET, *MEMBERS)
    assert [await started(records, name, number) for number, name in enumerate("ABC", 1)] == [
        "Accepted",
        "Accepted",
        "ConcurrentTx",
    ]
    assert await started(records, "TAG-1", 4) == "Accepted", "it is in no group"
    assert await started(records, "FLEET", 5) == "Invalid", "the name of a group cannot charge"


async def test_a_group_without_a_limit_has_that_of_the_policy(records: ChargePointRecords) -> None:
    await tags(records, *MEMBERS, NewIdTag("X", parent_id_tag="OTHER"))
    await policy(records, 1)
    assert await started(records, "A", 1) == "Accepted"
    assert await started(records, "B", 2) == "ConcurrentTx"
    assert await started(records, "X", 3) == "Accepted"
    await policy(records, None)
    assert await started(records, "B", 4) == "Accepted"


@pytest.mark.parametrize("presented", ["FLEET", "fleet", "Fleet \0"])
async def test_the_name_of_a_group_cannot_charge(records: ChargePointRecords, presented: str) -> None:
    await tags(records, FLEET)
    assert await started(records, presented, 1) == "Accepted", "nothing is in its group"
    await tags(records, *MEMBERS)
    assert await started(records, presented, 2) == "Invalid"
    authorizer = Authorizer(records.storage.message_steps)
    info = await authorizer.authorize(
        TenantId(records.tenant.id), ChargePointId(records.record.id), presented, NOW
    )
    assert info == {"status": "Invalid"}


async def test_a_tag_in_the_group_of_its_own_name_may_charge_although_others_are_in_it(
    records: ChargePointRecords,
) -> None:
    await tags(records, NewIdTag("FLEET", parent_id_tag="FLEET"), *MEMBERS)
    assert await started(records, "FLEET", 1) == "Accepted"


async def test_a_tag_may_be_in_the_group_of_its_own_name(records: ChargePointRecords) -> None:
    await tags(records, NewIdTag("SELF", parent_id_tag="self", max_active_transactions_of_group=1))
    assert [await started(records, "SELF", number) for number in (1, 2)] == ["Accepted", "ConcurrentTx"]


async def test_the_limits_of_tag_and_group_both_hold(records: ChargePointRecords) -> None:
    await tags(records, FLEET, NewIdTag("A", parent_id_tag="FLEET", max_active_transactions=1), MEMBERS[1])
    assert [await started(records, "A", number) for number in (1, 2)] == ["Accepted", "ConcurrentTx"]
    assert [await started(records, "B", number) for number in (3, 4)] == ["Accepted", "ConcurrentTx"]


async def test_a_stopped_transaction_frees_its_group(records: ChargePointRecords) -> None:
    await tags(records, replace(FLEET, max_active_transactions_of_group=1), *MEMBERS)
    ledger = records.storage.ledger
    first = await ledger.start_transaction(records.start(id_tag="A"))
    assert await started(records, "B", 2) == "ConcurrentTx"
    await ledger.stop_transaction(records.stop(first.transaction_id))
    assert await started(records, "B", 3) == "Accepted"


async def test_a_presumably_ended_transaction_does_not_count(records: ChargePointRecords) -> None:
    await tags(records, replace(FLEET, max_active_transactions_of_group=1), *MEMBERS)
    assert await started(records, "A") == "Accepted"
    await records.storage.ledger.sessions_over(
        SessionsOver(records.tenant.id, records.record.id, None, "boot", LATER)
    )
    assert await started(records, "B", 2, started_at=LATER, received_at=LATER) == "Accepted"


async def test_a_retry_at_the_limit_gets_its_first_answer(records: ChargePointRecords) -> None:
    await tags(records, replace(FLEET, max_active_transactions_of_group=1), *MEMBERS)
    assert await started(records, "A") == "Accepted"
    assert await started(records, "A") == "Accepted"


async def test_groups_of_other_tenants_do_not_count(records: ChargePointRecords, storage: Storage) -> None:
    await tags(records, replace(FLEET, max_active_transactions_of_group=1), *MEMBERS)
    async with storage.database.platform() as work:
        other = await TenantStore(work).create("another-one", "Another")
    async with storage.database.tenant(other.id) as tenant_work:
        record = await ChargePointStore(tenant_work).create("CP-1")
    foreign = ChargePointRecords(storage, other, record)
    await tags(foreign, *MEMBERS)
    assert [await started(foreign, name, number) for number, name in enumerate("ABC", 1)] == ["Accepted"] * 3
    assert await started(records, "A") == "Accepted"


async def test_a_group_that_a_webhook_names_is_limited_as_well(records: ChargePointRecords) -> None:
    await tags(records, replace(FLEET, max_active_transactions_of_group=1))
    info = {"status": "Accepted", "parentIdTag": "FLEET"}
    assert await started(records, "STRANGER", 1, external_info=info) == "Accepted"
    assert await started(records, "ANOTHER", 2, external_info=info) == "ConcurrentTx"
    await policy(records, 1)
    pool = {"status": "Accepted", "parentIdTag": "POOL"}
    assert await started(records, "STRANGER", 3, external_info=pool) == "Accepted"
    assert await started(records, "STRANGER", 4, external_info=pool) == "ConcurrentTx"


async def test_a_limited_group_is_accepted_twice_under_a_race(
    storage: Storage, tenant: TenantRecord, make_records: RecordsMaker, second_ledger: Ledger
) -> None:
    stations = [await make_records(f"RACE-{number}") for number in range(40)]
    limited = [
        NewIdTag(f"T{number}", parent_id_tag="FLEET", max_active_transactions=1) for number in range(5)
    ]
    await tags(stations[0], FLEET, *limited)
    ledgers = [storage.ledger, second_ledger]
    answers = await asyncio.gather(
        *(
            ledgers[number % 2].start_transaction(records.start(id_tag=f"T{number % 5}"))
            for number, records in enumerate(stations)
        )
    )
    statuses = [answer.id_tag_info["status"] for answer in answers]
    assert (statuses.count("Accepted"), statuses.count("ConcurrentTx")) == (2, 38)


async def test_what_runs_on_a_group_is_found_by_its_index(
    records: ChargePointRecords, database_url: str
) -> None:
    await tags(records, *MEMBERS)
    for number in range(3):
        await started(records, "A", number)
    connection = await asyncpg.connect(database_url)
    await connection.execute("set enable_seqscan = off")
    plan = await connection.fetch(f"explain {_FIND_RUNNING_IN_GROUPS}", [records.tenant.id], ["fleet"])
    await connection.close()
    assert "ix_transactions_open_group" in str(plan)


@pytest.mark.parametrize("limit", [0, 2**31 - 1])
async def test_each_limit_of_its_column_holds(records: ChargePointRecords, limit: int) -> None:
    await tags(records, replace(FLEET, max_active_transactions_of_group=limit), *MEMBERS)
    assert await started(records, "A") == ("Accepted" if limit else "ConcurrentTx")
