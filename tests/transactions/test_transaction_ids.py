"""Free transaction ids: two batches never share one, and none is lost without need."""

import asyncio
from typing import Any, cast

import asyncpg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from structlog.testing import capture_logs

from app.database.connecting import connect
from app.errors import CallFailed
from app.transactions.store.transaction_ids import TransactionIds
from tests.support.store import ChargePointRecords

LARGEST = 2**31 - 1


class _Counter:
    """Counts as the table of a tenant's ids does."""

    def __init__(self) -> None:
        self.next_id = 1
        self.calls = 0
        self.in_each_transaction = ""

    async def fetchval(self, _: str, __: int, block: int) -> int:
        self.calls += 1
        await asyncio.sleep(0)
        self.next_id += block
        return self.next_id


async def test_two_batches_at_once_never_want_for_an_id_that_the_other_has() -> None:
    ids, counter = TransactionIds(), _Counter()
    taken: list[int] = []

    async def batch(count: int) -> None:
        async with ids.reserved(cast(Any, counter), {7: count}) as own:
            for _ in range(count):
                await asyncio.sleep(0)
                taken.append(own.take(7))

    await asyncio.gather(*(batch(1 + number % 40) for number in range(60)))
    assert len(set(taken)) == len(taken) == sum(1 + number % 40 for number in range(60))


async def test_what_a_batch_has_not_taken_is_given_to_the_next_one() -> None:
    ids, counter = TransactionIds(), _Counter()
    for number in range(1, 41):
        async with ids.reserved(cast(Any, counter), {7: 5}) as own:
            assert own.take(7) == number
    assert counter.calls == 1


async def _count_from(records: ChargePointRecords, next_id: int) -> None:
    async with records.database.platform() as work:
        await work.connection.execute(
            text(
                "insert into transaction_ids values (:tenant, :next) "
                "on conflict (tenant_id) do update set next_id = :next"
            ),
            {"tenant": records.tenant.id, "next": next_id},
        )


def _used(records: ChargePointRecords) -> float | None:
    labels = {"tenant_id": str(records.tenant.id)}
    return REGISTRY.get_sample_value("stationmaster_transaction_ids_used_ratio", labels)


@pytest.mark.parametrize(("share", "alarms"), [(0.5, False), (0.89, False), (0.91, True), (0.999, True)])
async def test_a_tenant_that_comes_near_its_last_id_is_seen_and_logged(
    records: ChargePointRecords, share: float, alarms: bool
) -> None:
    await _count_from(records, int(LARGEST * share))
    with capture_logs() as logs:
        started = await records.storage.ledger.start_transaction(records.start())
    assert started.transaction_id == int(LARGEST * share)
    assert ("transaction_ids_end_soon" in [entry["event"] for entry in logs]) is alarms
    assert _used(records) == (pytest.approx(share, abs=1e-4) if alarms else None)


async def test_after_the_last_id_a_start_is_refused_and_never_answered_with_an_id_that_does_not_fit(
    records: ChargePointRecords,
) -> None:
    ledger = records.storage.ledger
    await _count_from(records, LARGEST)
    last = await ledger.start_transaction(records.start(meter_start_wh=1))
    assert last.transaction_id == LARGEST
    for _ in range(2):
        with pytest.raises(CallFailed):
            await ledger.start_transaction(records.start(meter_start_wh=2))
    # The charge point may ask again for the one that was stored.
    again = await ledger.start_transaction(records.start(meter_start_wh=1))
    assert (again.transaction_id, again.repeated) == (LARGEST, True)


@pytest.mark.parametrize("pooler", ["none", "transaction"])
async def test_a_batch_that_is_rolled_back_gives_no_id_twice(
    records: ChargePointRecords, database_url: str, pooler: str
) -> None:
    connection = await connect(f"{database_url}&pooler={pooler}", "ledger", {"jit": "off"})
    one, other = TransactionIds(), TransactionIds()
    needed: dict[int, int] = {records.tenant.id: 1}
    taken: list[int] = []
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with one.reserved(connection, needed), connection.transaction():
            await connection.execute("select 1 / 0")
    for ids in (one, other, one, other):
        async with ids.reserved(connection, needed) as own:
            taken.append(own.take(records.tenant.id))
    await connection.close()
    assert len({*taken}) == 4
