"""Commands are listed, and the reaper ends those that no worker ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.commands.records import CommandFilter, CommandState, LostCommand, RemoteStart
from app.commands.rules import AWAITS_EFFECT, UNREADABLE_ANSWER
from app.commands.store.commands import CommandSteps, CommandStore, End
from app.commands.store.effects import find_remote_starts
from app.commands.store.reaper import LostCommandStore
from app.database.prepared import Connection
from app.types import ChargePointKey
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
    ("changes", "alive", "is_found"),
    [
        pytest.param({"worker": "dead"}, ["alive"], True, id="queued at a dead worker"),
        pytest.param({"worker": "dead", "state": "sent"}, ["alive"], True, id="sent by a dead one"),
        pytest.param({"worker": "own"}, None, True, id="of this worker"),
        pytest.param({"worker": "own", "state": "sent"}, ["own"], True, id="sent by this worker"),
        pytest.param({"worker": "alive", "deadline_at": NOW - _HOUR}, ["alive"], False, id="alive"),
        pytest.param({"worker": "dead"}, None, False, id="it is not known who is alive"),
        pytest.param({"worker": "dead", "state": "accepted"}, ["alive"], False, id="ended"),
    ],
)
async def test_open_commands_of_dead_workers_and_of_this_one_are_found(
    records: ChargePointRecords, changes: dict[str, Any], alive: list[str] | None, is_found: bool
) -> None:
    command = make_command(records, **changes)
    async with records.database.tenant(records.tenant.id) as work:
        await put_command(work, command)
    async with records.database.platform() as platform:
        found = await LostCommandStore(platform).open_commands("own", alive)
    lost = LostCommand(command.id, records.tenant.id, command.state, str(command.worker), command.timeout_s)
    assert (lost in found) is is_found


@pytest.mark.parametrize(
    ("state", "ending", "is_ended"),
    [
        ("queued", "connection_lost", True),
        ("sent", "connection_lost", True),
        ("queued", "expired", True),
        ("sent", "expired", False),
        ("queued", "timed_out", False),
        ("sent", "timed_out", True),
        ("accepted", "connection_lost", False),
    ],
)
async def test_a_lost_command_ends_once_and_only_as_the_table_says(
    records: ChargePointRecords, state: CommandState, ending: CommandState, is_ended: bool
) -> None:
    command = make_command(records, state=state, worker="dead")
    async with records.database.tenant(records.tenant.id) as work:
        await put_command(work, command)
    lost = LostCommand(command.id, records.tenant.id, state, "dead", command.timeout_s)
    async with records.database.platform() as platform:
        assert await LostCommandStore(platform).end([lost], ending, NOW) == ([lost] if is_ended else [])
        assert await LostCommandStore(platform).end([lost], ending, NOW) == []
    async with records.database.tenant(records.tenant.id) as work:
        stored = await CommandStore(work).get(command.id)
    assert stored is not None
    assert stored.state == (ending if is_ended else state)


_UNREADABLE = {"code": UNREADABLE_ANSWER, "description": ""}


@pytest.mark.parametrize(
    ("changes", "is_linked"),
    [
        *(({"state": state}, True) for state in AWAITS_EFFECT),
        ({"state": "call_error", "error": _UNREADABLE}, True),
        ({"state": "call_error", "error": {"code": "NotSupported", "description": ""}}, False),
        *(({"state": state}, False) for state in ("rejected", "offline", "cancelled")),
        # The answer came too late, and says no.
        *(
            ({"state": state, "late_result": {"state": "rejected", "result": {}, "error": None}}, False)
            for state in ("timed_out", "connection_lost", "expired")
        ),
        (
            {"state": "timed_out", "late_result": {"state": "call_error", "error": {"code": "NotSupported"}}},
            False,
        ),
        ({"state": "timed_out", "late_result": {"state": "call_error", "error": _UNREADABLE}}, True),
        ({"state": "timed_out", "late_result": {"state": "accepted", "result": {}, "error": None}}, True),
    ],
)
async def test_a_remote_start_that_was_not_refused_awaits_its_transaction(
    records: ChargePointRecords, database_url: str, changes: dict[str, Any], is_linked: bool
) -> None:
    command = make_command(
        records, action="RemoteStartTransaction", payload={"idTag": "T", "connectorId": 1}, **changes
    )
    async with records.database.tenant(records.tenant.id) as work:
        await put_command(work, command)
    async with driver_connection(database_url) as connection:
        here = ChargePointKey(records.tenant.id, records.record.id)
        found = await find_remote_starts(connection, [here], NOW - _HOUR, AWAITS_EFFECT)
    expected = RemoteStart(command.id, records.tenant.id, records.record.id, "T", "1", NOW)
    assert found == ([expected] if is_linked else [])


@asynccontextmanager
async def driver_connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection of the driver, as the ledger has one."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def test_an_effect_that_is_overdue_is_noted(records: ChargePointRecords) -> None:
    fields: dict[str, Any] = {"action": "RemoteStartTransaction", "state": "queued"}
    windows = '{"RemoteStartTransaction": 300}'
    made = [make_command(records, **fields) for _ in range(4)]
    reset = make_command(records, action="Reset", state="queued")
    ends = [
        End("accepted", by="owner", windows=windows),
        End("rejected", by="owner", windows=windows),
        End("call_error", error={"code": UNREADABLE_ANSWER}, by="owner", windows=windows),
    ]
    async with records.database.tenant(records.tenant.id) as work:
        for command in (*made, reset):
            await put_command(work, command)
        for command, end in zip((*made[:3], reset), (*ends, ends[0]), strict=True):
            await CommandSteps(work.rows, work.tenant_id).finish(command.id, end, NOW)

    async def observed(seconds: float, actions: list[str]) -> list[Any]:
        async with records.database.platform() as platform:
            await LostCommandStore(platform).note_no_effect(NOW + timedelta(seconds=seconds), actions)
        async with records.database.tenant(records.tenant.id) as work:
            found = [await CommandStore(work).get(command.id) for command in (*made, reset)]
        return [one and one.effect for one in found]

    nothing = {"observed": "no_effect"}
    assert await observed(299, ["RemoteStartTransaction"]) == [None] * 5
    assert await observed(301, ["Reset"]) == [None] * 5
    assert await observed(301, ["RemoteStartTransaction"]) == [nothing, None, nothing, None, None]
