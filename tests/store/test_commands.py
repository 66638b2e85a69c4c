"""Commands end once, and what nobody else ends the reaper does."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.store.filters import CommandFilter
from tests.store.conftest import NOW, Station, make_command

_HOUR = timedelta(hours=1)


async def test_a_command_ends_once(station: Station) -> None:
    command = make_command(station)
    async with station.database.tenant(station.tenant.id) as work:
        commands = work.commands
        assert await commands.insert(command) == await commands.get(command.id) == command
        assert await commands.mark_sent(command.id, "w1", 7, NOW)
        assert not await commands.mark_sent(command.id, "w2", 8, NOW)
        assert await commands.finish(command.id, "timed_out", NOW)
        assert not await commands.finish(command.id, "accepted", NOW, result={"status": "Accepted"})
        assert await commands.late(command.id, {"status": "Accepted\x00"})
        assert not await commands.late(command.id, {"status": "Rejected"})
        stored = await commands.get(command.id)
    assert stored == replace(
        command,
        state="timed_out",
        worker="w1",
        epoch=7,
        sent_at=NOW,
        finished_at=NOW,
        late_result={"status": "Accepted\ufffd"},
    )


async def test_an_idempotency_key_gives_the_first_command_again(station: Station) -> None:
    first = make_command(station, idempotency_key="once", request_digest=b"1")
    async with station.database.tenant(station.tenant.id) as work:
        await work.commands.insert(first)
        again = await work.commands.insert(make_command(station, idempotency_key="once", request_digest=b"2"))
        other = await work.commands.insert(make_command(station))
    assert again == first
    assert other.id != first.id


async def test_commands_are_listed_the_newest_first(station: Station) -> None:
    made = [make_command(station, created_at=NOW + number * _HOUR) for number in range(4)]
    async with station.database.tenant(station.tenant.id) as work:
        for command in made:
            await work.commands.insert(command)
        newest = await work.commands.page(2)
        rest = await work.commands.page(9, (newest[-1].created_at, newest[-1].id))
        assert newest + rest == made[::-1]
        assert await work.commands.page(9, None, CommandFilter(state="sent")) == []
        assert len(await work.commands.page(9, None, CommandFilter("CP-1", "Reset", "queued"))) == 4


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
async def test_the_reaper_ends_what_nobody_else_will(
    station: Station, changes: dict[str, Any], state: str
) -> None:
    command = make_command(station, **changes)
    async with station.database.tenant(station.tenant.id) as work:
        await work.commands.insert(command)
    async with station.database.platform() as platform:
        reaped = await platform.commands_reaper.lost(["alive"], NOW)
        again = await platform.commands_reaper.lost(["alive"], NOW)
    async with station.database.tenant(station.tenant.id) as work:
        stored = await work.commands.get(command.id)
    assert stored is not None
    assert stored.state == state
    expected = [(command.id, station.tenant.id, state)] if state != command.state else []
    assert [(item.id, item.tenant_id, item.state) for item in reaped] == expected
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
    station: Station, changes: dict[str, Any], state: str
) -> None:
    command = make_command(station, **changes)
    async with station.database.tenant(station.tenant.id) as work:
        await work.commands.insert(command)
    async with station.database.platform() as platform:
        reaped = await platform.commands_reaper.lost(None, NOW)
    assert [item.state for item in reaped] == ([state] if state != command.state else [])
    async with station.database.tenant(station.tenant.id) as work:
        stored = await work.commands.get(command.id)
    assert stored is not None
    assert stored.state == state


async def test_a_remote_start_without_effect_is_noted(station: Station) -> None:
    fields: dict[str, Any] = {"action": "RemoteStartTransaction", "state": "accepted"}
    old = make_command(station, finished_at=NOW - timedelta(seconds=301), **fields)
    new = make_command(station, finished_at=NOW - timedelta(seconds=299), **fields)
    async with station.database.tenant(station.tenant.id) as work:
        for command in (old, new):
            await work.commands.insert(command)
    async with station.database.platform() as platform:
        assert await platform.commands_reaper.no_effect(NOW, 300) == 1
    async with station.database.tenant(station.tenant.id) as work:
        effects = [await work.commands.get(command.id) for command in (old, new)]
    assert [effect and effect.effect for effect in effects] == [{"observed": "none"}, None]
