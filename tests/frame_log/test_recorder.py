"""The frame log: best effort, bounded, and readable."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.clock import microseconds_of
from app.database.partitions import make_partitions_of
from app.database.roles import Roles
from app.frame_log.recorder import FrameLog
from app.frame_log.records import FrameFilter, FrameRecord
from app.frame_log.service import FrameLogService
from app.settings import Settings
from app.types import TenantId
from tests.support.conversations import new_conversation
from tests.support.store import NOW, ChargePointRecords


class _SetClock:
    """A clock that the test moves."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def now_us(self) -> int:
        return microseconds_of(self.at)

    def monotonic(self) -> float:
        return self.at.timestamp()


@pytest.fixture
def set_clock() -> _SetClock:
    return _SetClock()


@pytest.fixture
async def frame_log(database_url: str, settings: Settings, set_clock: _SetClock) -> AsyncIterator[FrameLog]:
    small = settings.model_copy(update={"frame_log_buffer": 5})
    log = FrameLog(database_url, settings=small, clock=set_clock, roles=Roles(ledger=True))
    yield log
    await log.close()


async def _frames(records: ChargePointRecords, **filters: Any) -> list[FrameRecord]:
    return await _page(records, 100, None, **filters)


async def _page(
    records: ChargePointRecords, limit: int, after: tuple[datetime, int] | None, **filters: Any
) -> list[FrameRecord]:
    log, tenant_id = FrameLogService(records.database), TenantId(records.tenant.id)
    return await log.page(tenant_id, "CP-1", limit, after, FrameFilter(**filters))


def _record(
    log: FrameLog,
    records: ChargePointRecords,
    text: str,
    direction: Any = "in",
    at: datetime | None = None,
) -> None:
    """Let a conversation log one frame."""
    clock = _SetClock(at or datetime.now(UTC))
    conversation = new_conversation(**records.place, frames=log.buffer, clock=clock)
    if direction == "in":
        conversation.text(text)
    else:
        conversation.send(text)


async def test_frames_are_read_the_newest_first(
    records: ChargePointRecords, frame_log: FrameLog, set_clock: _SetClock
) -> None:
    texts = ['[2,"1","Heartbeat",{}]', '[3,"1",{}]', '[2, "2", "MeterValues", {}]']
    for text, direction in zip(texts, ("in", "out", "in"), strict=True):
        _record(frame_log, records, text, direction, at=set_clock.at)
        set_clock.at += timedelta(seconds=1)
    await frame_log.flush()
    found = await _frames(records)
    assert [frame.text for frame in found] == texts[::-1]
    assert [frame.text for frame in await _frames(records, direction="out")] == [texts[1]]
    assert [frame.text for frame in await _frames(records, action="MeterValues")] == [texts[2]]
    late = NOW + timedelta(seconds=1)
    assert [frame.text for frame in await _frames(records, from_at=late)] == texts[:0:-1]
    assert [frame.text for frame in await _frames(records, to_at=late)] == texts[:1]
    assert await _page(records, 1, (found[0].run_at, found[0].id)) == found[1:2]


async def test_a_message_id_finds_a_call_and_its_answer(
    records: ChargePointRecords, frame_log: FrameLog
) -> None:
    texts = ['[2,"a.c","Heartbeat",{}]', ' [ 3 , "a.c" ,{}]', '[2,"abc","X",{"y":"a.c"}]', "[3,7,{}]"]
    for text in texts:
        _record(frame_log, records, text, "out")
    await frame_log.flush()
    assert {frame.text for frame in await _frames(records, message_id="a.c")} == set(texts[:2])
    assert [frame.text for frame in await _frames(records, message_id="7")] == texts[3:]
    assert await _frames(records, message_id=".*") == []


async def test_frames_that_were_kept_together_are_read_one_by_one(
    records: ChargePointRecords, frame_log: FrameLog
) -> None:
    clock = _SetClock()
    one, other = (
        new_conversation(**records.place, frames=frame_log.buffer, connection_id=name, clock=clock)
        for name in "ab"
    )
    for text, conversation, after_ms in (
        ("1", one, 0),
        ("2", one, 0),
        ("3", one, 700),
        ("4", other, 700),
        ("5", one, 1200),
    ):
        clock.at = NOW + timedelta(milliseconds=after_ms)
        conversation.send(text)
    await frame_log.flush()
    found = await _frames(records)
    assert [frame.text for frame in found] == ["5", "4", "3", "2", "1"]
    assert len({frame.id for frame in found}) == 5
    paged, after = [], None
    while page := await _page(records, 1, after):
        paged += page
        after = (page[0].run_at, page[0].id)
    assert paged == found
    middle = NOW + timedelta(milliseconds=700)
    assert [frame.text for frame in await _frames(records, to_at=middle)] == ["2", "1"]
    assert [frame.text for frame in await _frames(records, from_at=middle)] == ["5", "4", "3"]
    assert [frame.text for frame in await _frames(records, from_at=middle, to_at=middle)] == []


async def test_deviations_are_kept_with_the_frame(records: ChargePointRecords, frame_log: FrameLog) -> None:
    _record(frame_log, records, '[2,"1","heartbeat",{}]')
    await frame_log.flush()
    [frame] = await _frames(records)
    assert frame.deviations == [{"kind": "action_spelling", "pointer": "", "raw": "heartbeat"}]


async def test_what_cannot_be_stored_is_replaced(records: ChargePointRecords, frame_log: FrameLog) -> None:
    for text in ("a", "b\x00", '[2,"1","HEARTBEAT",{}]\x00'):
        _record(frame_log, records, text)
    await frame_log.flush()
    found = await _frames(records)
    assert sorted(frame.text for frame in found) == ['[2,"1","HEARTBEAT",{}]\ufffd', "a", "b\ufffd"]
    assert {one["kind"] for frame in found for one in frame.deviations or ()} >= {"trailing_nul"}


async def test_a_full_buffer_sheds(records: ChargePointRecords, frame_log: FrameLog) -> None:
    for number in range(9):
        _record(frame_log, records, str(number))
    await frame_log.flush()
    assert sorted(frame.text for frame in await _frames(records)) == list("01234")


async def test_a_flush_leaves_what_comes_meanwhile_to_the_next_one(
    records: ChargePointRecords, frame_log: FrameLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, copies = frame_log._copy, []

    async def copy_and_record(data: bytes) -> None:
        copies.append(data)
        _record(frame_log, records, f"during {len(copies)}")
        await copy(data)

    monkeypatch.setattr(frame_log, "_copy", copy_and_record)
    _record(frame_log, records, "before")
    for count in (1, 2):
        async with asyncio.timeout(10):
            await frame_log.flush()
        assert (len(copies), len(frame_log.buffer)) == (count, 1)
    assert {frame.text for frame in await _frames(records)} == {"before", "during 1"}


async def test_old_frames_are_purged(
    records: ChargePointRecords,
    frame_log: FrameLog,
    set_clock: _SetClock,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A day from now on has a partition of its own. So the retention is over for two such days.
    monkeypatch.setattr(frame_log, "_retention", timedelta(days=-4))
    now = set_clock.at = datetime.now(UTC)
    await make_partitions_of(database_url, now + timedelta(days=6))
    _record(frame_log, records, "old", at=now + timedelta(days=2))
    _record(frame_log, records, "new", at=now + timedelta(days=5))
    await frame_log.flush()
    assert await frame_log.purge() >= 1
    assert [frame.text for frame in await _frames(records)] == ["new"]


async def test_the_log_writes_in_the_background_and_at_its_end(records: ChargePointRecords) -> None:
    _record(records.storage.frame_log, records, "last")
    await records.storage.frame_log.close()
    assert [frame.text for frame in await _frames(records)] == ["last"]


async def test_a_lost_connection_costs_frames_and_no_more(
    records: ChargePointRecords, frame_log: FrameLog, database_url: str
) -> None:
    _record(frame_log, records, "before")
    await frame_log.flush()
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'stationmaster frame log'"
    )
    await connection.close()
    _record(frame_log, records, "perhaps lost")
    # Whether the loss is noticed before the next write is up to the network.
    with contextlib.suppress(
        asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError
    ):
        await frame_log.flush()
    _record(frame_log, records, "after")
    await frame_log.flush()
    texts = {frame.text for frame in await _frames(records)}
    assert {"before", "after"} <= texts


async def test_large_frames_are_shed_before_they_fill_the_memory(
    database_url: str, records: ChargePointRecords, settings: Settings, set_clock: _SetClock
) -> None:
    small = settings.model_copy(update={"frame_log_buffer_bytes": 200})
    log = FrameLog(database_url, settings=small, clock=set_clock)
    for text in ("a" * 150, "b" * 60, "c" * 10):
        _record(log, records, text)
    await log.flush()
    _record(log, records, "d" * 100)
    await log.close()
    assert {frame.text[0] for frame in await _frames(records)} == {"a", "c", "d"}
