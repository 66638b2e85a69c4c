"""Commands are listed, and the reaper ends those that no worker ends."""

from datetime import timedelta
from typing import Any

import pytest

from app.commands.records import CommandFilter
from app.commands.store.commands import CommandStore
from app.commands.store.reaper import LostCommandStore
from tests.support.recorded import put_command
from tests.support.store import NOW, ChargePointRecords, make_command

_HOUR = timedelta(hours=1)


async def test_commands_are_listed_the_newest_first(records: ChargePointRecords) -> None:
    made = [make_command(records, created_at=NOW + number * _HOUR) for number in range(4)]
    async with records.database.tenant(records.tenant.id) as work:
        for command in made:
            await put_command(work, command)
        newest = await CommandStore(work).page(2)
        rest = await CommandStore(work).page(9, (newest[-1].created_at, newest[-1].id))
        assert newest + rest == made[::-1]
        assert await CommandStore(work).page(9, None, CommandFilter(state="sent")) == []
        assert len(await CommandStore(work).page(9, None, CommandFilter("CP-1", "Reset", "queued"))) == 4


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        pytest.param({"worker": "dead"}, "connection_lost", id="queued at a dead worker"),
        pytest.param(
            {"worker": "dead", "state": "sent", "sent_at": NOW}, "connection_lost", id="sent by a dead one"
        ),
        pytest.param({"deadline_at": NOW - _HOUR}, "expired", id="overdue in the queue"),
        pytest.param(
            {"worker": "alive", "state": "sent", "sent_at": NOW - timedelta(seconds=41)},
            "timed_out",
            id="unanswered",
        ),
        pytest.param(
            {"worker": "alive", "state": "sent", "sent_at": NOW - timedelta(seconds=39)},
            "sent",
            id="its worker may still end it",
        ),
        pytest.param({"worker": "dead", "state": "accepted"}, "accepted", id="ended"),
        pytest.param({}, "queued", id="in time"),
    ],
)
async def test_the_reaper_ends_what_no_worker_ends(
    records: ChargePointRecords, changes: dict[str, Any], state: str
) -> None:
    command = make_command(records, **changes)
    async with records.database.tenant(records.tenant.id) as work:
        await put_command(work, command)
    async with records.database.platform() as platform:
        reaped = await LostCommandStore(platform).end(["alive"], NOW)
        again = await LostCommandStore(platform).end(["alive"], NOW)
    async with records.database.tenant(records.tenant.id) as work:
        stored = await CommandStore(work).get(command.id)
    assert stored is not None
    assert stored.state == state
    expected = [(command.id, records.tenant.id, state)] if state != command.state else []
    own = [(item.id, item.tenant_id, item.state) for item in reaped if item.tenant_id == records.tenant.id]
    assert own == expected
    assert again == []


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        pytest.param({"worker": "dead"}, "queued", id="queued somewhere"),
        pytest.param({"worker": "dead", "deadline_at": NOW - _HOUR}, "expired", id="overdue in the queue"),
        pytest.param(
            {"worker": "dead", "state": "sent", "sent_at": NOW - timedelta(seconds=41)},
            "timed_out",
            id="unanswered",
        ),
        pytest.param(
            {"worker": "dead", "state": "sent", "sent_at": NOW - timedelta(seconds=39)}, "sent", id="in time"
        ),
    ],
)
async def test_without_knowing_who_lives_only_what_is_overdue_ends(
    records: ChargePointRecords, changes: dict[str, Any], state: str
) -> None:
    command = make_command(records, **changes)
    async with records.database.tenant(records.tenant.id) as work:
        await put_command(work, command)
    async with records.database.platform() as platform:
        reaped = await LostCommandStore(platform).end(None, NOW)
    own = [item.state for item in reaped if item.tenant_id == records.tenant.id]
    assert own == ([state] if state != command.state else [])
    async with records.database.tenant(records.tenant.id) as work:
        stored = await CommandStore(work).get(command.id)
    assert stored is not None
    assert stored.state == state


async def test_a_remote_start_without_effect_is_noted(records: ChargePointRecords) -> None:
    fields: dict[str, Any] = {"action": "RemoteStartTransaction", "state": "accepted"}
    old = make_command(records, finished_at=NOW - timedelta(seconds=301), **fields)
    new = make_command(records, finished_at=NOW - timedelta(seconds=299), **fields)
    async with records.database.tenant(records.tenant.id) as work:
        for command in (old, new):
            await put_command(work, command)
    async with records.database.platform() as platform:
        assert await LostCommandStore(platform).note_no_effect(NOW, 300) == 1
    async with records.database.tenant(records.tenant.id) as work:
        effects = [await CommandStore(work).get(command.id) for command in (old, new)]
    assert [effect and effect.effect for effect in effects] == [{"observed": "none"}, None]
