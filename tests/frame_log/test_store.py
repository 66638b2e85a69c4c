"""Frames are read from rows of any version, however many runs a search has to look through."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.frame_log import store
from app.frame_log.recorder import FrameLog
from app.frame_log.records import FrameFilter, FrameRecord
from app.frame_log.service import FrameLogService
from app.settings import Settings
from app.types import TenantId
from tests.support.api import NOW, SetClock
from tests.support.conversations import new_conversation
from tests.support.store import ChargePointRecords

HEARTBEAT = '[2,"1","Heartbeat",{}]'
RARE = '[2,"9","BootNotification",{}]'


async def page(records: ChargePointRecords, limit: int, **filters: Any) -> list[FrameRecord]:
    return await FrameLogService(records.database).page(
        TenantId(records.tenant.id), "CP-1", limit, None, FrameFilter(**filters)
    )


@pytest.fixture
async def log(records: ChargePointRecords, database_url: str, settings: Settings) -> AsyncIterator[FrameLog]:
    """A log with a rare frame, and ten runs behind it, of which two are of one time."""
    log, clock = FrameLog(database_url, settings=settings, clock=SetClock()), SetClock()
    for number, frame in enumerate([RARE, *[HEARTBEAT] * 10]):
        if number != 5:
            clock.advance(2.0)
        conversation = new_conversation(
            **records.place, frames=log.buffer, clock=clock, connection_id=f"c{number}"
        )
        conversation.send(frame)
    await log.flush()
    yield log
    await log.close()


@pytest.mark.parametrize("at_once", [1, 2, 3, 50])
async def test_a_search_goes_through_all_runs(
    records: ChargePointRecords, log: FrameLog, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(store, "_RUNS_AT_ONCE", at_once)
    assert len(log.buffer) == 0
    [found] = await page(records, 5, action="BootNotification")
    assert (found.text, found.connection_id, found.direction) == (RARE, "c0", "out")
    assert await page(records, 5, action="Authorize") == []
    assert [frame.connection_id for frame in await page(records, 100)] == [f"c{n}" for n in range(10, -1, -1)]
    assert [frame.connection_id for frame in await page(records, 7)] == [f"c{n}" for n in range(10, 3, -1)]


async def test_a_run_of_an_older_version_is_read_with_the_others(
    records: ChargePointRecords, log: FrameLog
) -> None:
    assert len(log.buffer) == 0
    moments = [NOW + timedelta(seconds=5, milliseconds=ms) for ms in (0, 300)]
    insert = text(
        """
        insert into frame_runs (id, tenant_id, charge_point_id, connection_id, at, times, directions, texts,
            deviations)
        values (1, :tenant_id, :charge_point_id, 'old', :last, array[cast(:first as timestamptz), :last],
            array['in', 'out'], array[:call, :answer], array[cast('[{"kind": "x"}]' as jsonb), null])
        """
    ).bindparams(
        tenant_id=records.tenant.id,
        charge_point_id=records.record.id,
        first=moments[0],
        last=moments[1],
        call=HEARTBEAT,
        answer='[3,"1",{}]',
    )
    async with records.database.platform() as work:
        await work.connection.execute(insert)
    answer, call = [frame for frame in await page(records, 100) if frame.connection_id == "old"]
    assert (call.text, call.at, call.direction, call.deviations) == (
        HEARTBEAT,
        moments[0],
        "in",
        [{"kind": "x"}],
    )
    assert (answer.id, answer.run_at, answer.deviations) == (2, moments[1], None)
    assert [frame.connection_id for frame in await page(records, 100, to_at=moments[0])] == ["c1", "c0"]
