"""Starts that are written after the next connection of their charge point has shown that they are over."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.transactions.store.reading import TransactionStore
from tests.support.store import NOW, ChargePointRecords

LATER = NOW + timedelta(minutes=1)


async def execute(records: ChargePointRecords, statement: str) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        await work.connection.execute(
            text(statement), {"tenant": records.tenant.id, "id": records.record.id, "at": LATER}
        )


@pytest.fixture
async def reconnected(records: ChargePointRecords) -> ChargePointRecords:
    """Make records of a charge point that is in its second connection."""
    await execute(records, "update charge_points set epoch = 2 where (tenant_id, id) = (:tenant, :id)")
    return records


async def presumed(records: ChargePointRecords) -> dict[int, str | None]:
    """Return by register why each transaction is presumed to have ended."""
    async with records.database.tenant(records.tenant.id) as work:
        page = await TransactionStore(work).page(1000)
    return {item.meter_start_wh or 0: item.presumed_ended_reason for item in page}


async def test_a_later_start_was_written_first(reconnected: ChargePointRecords) -> None:
    ledger = reconnected.storage.ledger
    newer = reconnected.start(meter_start_wh=2000, started_at=LATER, received_at=LATER, epoch=2)
    await ledger.start_transaction(newer)
    await ledger.start_transaction(reconnected.start(epoch=1))
    assert await presumed(reconnected) == {1000: "later_start", 2000: None}


async def test_a_later_session_was_whole_before(reconnected: ChargePointRecords) -> None:
    ledger = reconnected.storage.ledger
    newer = reconnected.start(meter_start_wh=2000, started_at=LATER, received_at=LATER, epoch=2)
    answer = await ledger.start_transaction(newer)
    await ledger.stop_transaction(reconnected.stop(answer.transaction_id))
    await ledger.start_transaction(reconnected.start(epoch=1))
    await ledger.start_transaction(reconnected.start(epoch=1, connector_id=2, meter_start_wh=3000))
    assert await presumed(reconnected) == {1000: "later_start", 2000: None, 3000: None}


@pytest.mark.parametrize(
    ("sign", "reason"),
    [
        ("update charge_points set booted_at = :at where (tenant_id, id) = (:tenant, :id)", "boot"),
        (
            "insert into connectors (tenant_id, charge_point_id, connector_id, status, error_code, "
            "reported_at, received_at, epoch) values (:tenant, :id, 1, 'Available', 'NoError', :at, :at, 2)",
            "available",
        ),
        (
            "insert into connectors (tenant_id, charge_point_id, connector_id, status, error_code, "
            "reported_at, received_at, epoch) values (:tenant, :id, 1, 'Charging', 'NoError', :at, :at, 2)",
            None,
        ),
    ],
)
async def test_the_charge_point_has_shown_that_it_is_over(
    reconnected: ChargePointRecords, sign: str, reason: str | None
) -> None:
    await execute(reconnected, sign)
    ledger = reconnected.storage.ledger
    await ledger.start_transaction(reconnected.start(epoch=1))
    after = LATER + timedelta(minutes=1)
    await ledger.start_transaction(
        reconnected.start(epoch=1, connector_id=2, meter_start_wh=2000, received_at=after)
    )
    assert await presumed(reconnected) == {1000: reason, 2000: None}


async def test_starts_of_two_connections_are_written_at_once(reconnected: ChargePointRecords) -> None:
    newer = reconnected.start(meter_start_wh=2000, started_at=LATER, received_at=LATER, epoch=2)
    starts = [newer, reconnected.start(epoch=1)]
    await asyncio.gather(*map(reconnected.storage.ledger.start_transaction, starts))
    assert await presumed(reconnected) == {1000: "later_start", 2000: None}


async def test_samples_of_the_next_connection_are_its_own(reconnected: ChargePointRecords) -> None:
    ledger = reconnected.storage.ledger
    await ledger.meter_values(reconnected.readings("1100", transaction_id=-1))
    answer = await ledger.start_transaction(reconnected.start(epoch=1))
    assert await reconnected.values_of(answer.transaction_id) == [{"value": "1100"}]


async def test_samples_after_its_end_are_not_its_own(reconnected: ChargePointRecords) -> None:
    ledger = reconnected.storage.ledger
    booted = "update charge_points set booted_at = :at where (tenant_id, id) = (:tenant, :id)"
    await execute(reconnected, booted)
    await ledger.meter_values(reconnected.readings("1100", "1200", transaction_id=None))
    answer = await ledger.start_transaction(reconnected.start(epoch=1))
    assert await reconnected.values_of(answer.transaction_id) == [{"value": "1100"}]


async def test_its_stop_still_fits(reconnected: ChargePointRecords) -> None:
    ledger = reconnected.storage.ledger
    await ledger.start_transaction(
        reconnected.start(meter_start_wh=2000, started_at=LATER, received_at=LATER, epoch=2)
    )
    answer = await ledger.start_transaction(reconnected.start(epoch=1))
    await ledger.stop_transaction(reconnected.stop(answer.transaction_id, meter_stop_wh=1500))
    async with reconnected.database.tenant(reconnected.tenant.id) as work:
        stopped = await TransactionStore(work).get(answer.transaction_id)
    assert stopped is not None
    assert stopped.meter_stop_wh == 1500
