"""StatusNotifications that come at once share a statement, and one that cannot be stored fails alone."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from app.charge_points.records import StatusRecorded, StatusReport
from app.charge_points.status_batcher import StatusBatcher
from app.charge_points.store import ConnectorStore
from app.database.prepared import Prepared, Row
from app.database.statements import Statement
from app.errors import NotFound, StoreUnavailable
from app.types import ChargePointKey
from tests.support.store import NOW, ChargePointRecords

STORED = StatusRecorded(True, False)


def report(connector_id: int, status: str = "Charging", epoch: int = 1) -> StatusReport:
    return StatusReport(connector_id, status, "NoError", NOW, NOW, epoch)


class Counted:
    """Runs statements, and counts them."""

    def __init__(self, records: ChargePointRecords) -> None:
        self.count = 0
        self.is_away = False
        self._steps = records.storage.message_steps

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        self.count += 1
        if self.is_away:
            raise StoreUnavailable
        return await self._steps.rows(statement, values)


async def statuses(records: ChargePointRecords) -> dict[int, str]:
    async with records.database.tenant(records.tenant.id) as work:
        stored = await ConnectorStore(work).for_charge_point(records.record.id)
    return {connector.connector_id: connector.status for connector in stored}


def place(records: ChargePointRecords) -> ChargePointKey:
    return ChargePointKey(records.tenant.id, records.record.id)


async def test_reports_that_come_at_once_share_a_statement(records: ChargePointRecords) -> None:
    counted = Counted(records)
    batcher = StatusBatcher(cast(Prepared, counted), connector_limit=64)
    here = place(records)
    found = await asyncio.gather(*(batcher.record(here, report(number)) for number in range(40)))
    assert found == [STORED] * 40
    assert counted.count == 1
    assert len(await statuses(records)) == 40


@pytest.mark.parametrize(
    ("reported", "left"),
    [
        (["Preparing", "Charging"], "Charging"),
        (["Charging", "Available", "Charging", "Finishing"], "Finishing"),
        (["Charging"] * 9 + ["Faulted"], "Faulted"),
    ],
)
async def test_of_reports_of_one_connector_the_last_counts(
    records: ChargePointRecords, reported: list[str], left: str
) -> None:
    batcher = StatusBatcher(cast(Prepared, Counted(records)), connector_limit=64)
    here = place(records)
    found = await asyncio.gather(*(batcher.record(here, report(1, status)) for status in reported))
    assert all(one.is_stored for one in found)
    assert await statuses(records) == {1: left}


async def test_each_report_of_available_between_others_is_seen_to_end_a_session(
    records: ChargePointRecords,
) -> None:
    await records.storage.ledger.start_transaction(records.start())
    batcher = StatusBatcher(cast(Prepared, Counted(records)), connector_limit=64)
    here = place(records)
    reported = ("Charging", "Available", "Preparing")
    found = await asyncio.gather(*(batcher.record(here, report(1, status)) for status in reported))
    assert [one.is_session_over for one in found] == [False, True, False]


async def test_a_report_of_a_charge_point_that_was_deleted_fails_alone(records: ChargePointRecords) -> None:
    batcher = StatusBatcher(cast(Prepared, Counted(records)), connector_limit=64)
    gone = ChargePointKey(records.tenant.id, 2**40)
    found = await asyncio.gather(
        batcher.record(place(records), report(1)),
        batcher.record(gone, report(1)),
        batcher.record(place(records), report(2)),
        return_exceptions=True,
    )
    assert found[0] == found[2] == STORED
    assert isinstance(found[1], NotFound), "no defect of ours, so no stack trace in the log"
    assert await statuses(records) == {1: "Charging", 2: "Charging"}


async def test_without_a_database_all_of_a_batch_fail_and_the_next_goes_on(
    records: ChargePointRecords,
) -> None:
    counted = Counted(records)
    batcher = StatusBatcher(cast(Prepared, counted), connector_limit=64)
    here = place(records)
    counted.is_away = True
    found = await asyncio.gather(
        *(batcher.record(here, report(number)) for number in range(3)), return_exceptions=True
    )
    assert [type(one) for one in found] == [StoreUnavailable] * 3
    assert counted.count == 1
    counted.is_away = False
    assert await batcher.record(here, report(1)) == STORED


async def test_reports_of_the_same_connectors_on_two_workers_never_wait_in_a_circle(
    records: ChargePointRecords,
) -> None:
    batchers = [StatusBatcher(records.storage.message_steps, connector_limit=64) for _ in range(4)]
    here = place(records)
    numbers = list(range(60))
    for turn in range(10):
        found = await asyncio.gather(
            *(
                batcher.record(here, report(number))
                for place_of, batcher in enumerate(batchers)
                for number in (numbers if (turn + place_of) % 2 else reversed(numbers))
            )
        )
        assert all(one.is_stored for one in found)
