"""The steps of a command, by themselves and in a unit of work: it is recorded once, and ends once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.commands.records import NewCommand, SentFacts, SessionOwner
from app.commands.rules import has_effects
from app.commands.store.commands import CommandSteps, CommandStore, End, Recorded, read_command
from app.composition import command_effects
from app.ocpp import messages_of
from app.settings import Settings
from app.types import TenantId
from tests.support.protocol import OCPP16
from tests.support.store import NOW, ChargePointRecords, make_command

_HOUR = timedelta(hours=1)


def new_command(records: ChargePointRecords, **changes: Any) -> NewCommand:
    command = NewCommand(
        id=uuid4(),
        identity="CP-1",
        action="Reset",
        payload={"type": "Soft"},
        created_at=NOW,
        deadline_at=NOW + timedelta(seconds=60),
        timeout_s=30.0,
        issued_by="test",
        owner=SessionOwner(records.record.id, "w1", 7),
        idempotency_key=None,
        request_digest=b"1",
        has_effects=False,
    )
    return replace(command, **changes)


@asynccontextmanager
async def steps_of(records: ChargePointRecords, way: str) -> AsyncIterator[CommandSteps]:
    """The steps of commands, each by itself or all in one unit of work: the same statements."""
    tenant_id = TenantId(records.tenant.id)
    if way == "alone":
        yield CommandSteps(records.storage.command_steps.rows, tenant_id)
        return
    async with records.database.tenant(tenant_id) as work:
        yield CommandSteps(work.rows, work.tenant_id)


async def record(steps: CommandSteps, command: NewCommand, **limits: Any) -> Recorded:
    found = await steps.record(command, **{"refusing": ["Rejected"], "queue_limit": 9, **limits})
    assert found is not None
    return found


ways = pytest.mark.parametrize("way", ["alone", "in a unit of work"])


@ways
async def test_a_command_is_recorded_for_its_session(records: ChargePointRecords, way: str) -> None:
    command = new_command(records, payload={"b": 1, "a": "\x00"}, credential_hash=b"2")
    async with steps_of(records, way) as steps:
        recorded = (await record(steps, command)).command
    assert recorded is not None
    expected = make_command(
        records,
        id=command.id,
        payload={"a": "\ufffd", "b": 1},
        worker="w1",
        epoch=7,
        request_digest=b"1",
        credential_hash=b"2",
    )
    assert recorded == expected
    async with records.database.tenant(records.tenant.id) as work:
        assert await CommandStore(work).get(command.id) == expected
    assert await read_command(records.database.reads, TenantId(records.tenant.id), command.id) == expected


@pytest.mark.parametrize(
    "owner", [None, SessionOwner(-1, "w1", 7)], ids=["not connected", "one of another charge point"]
)
@ways
async def test_without_a_session_of_its_own_a_command_is_offline(
    records: ChargePointRecords, way: str, owner: SessionOwner | None
) -> None:
    command = new_command(records, owner=owner, credential_hash=b"2")
    async with steps_of(records, way) as steps:
        found = await record(steps, command, queue_limit=0)
    assert found.command == make_command(
        records, id=command.id, state="offline", finished_at=NOW, request_digest=b"1"
    )


@ways
async def test_a_command_ends_once(records: ChargePointRecords, way: str) -> None:
    command = new_command(records)
    async with steps_of(records, way) as steps:
        recorded = (await record(steps, command)).command
        assert recorded is not None
        assert await steps.sent(command.id, SentFacts("w1", 7, NOW))
        assert not await steps.sent(command.id, SentFacts("w2", 8, NOW))
        ended = await steps.finish(command.id, End("timed_out"), NOW + _HOUR)
        assert await steps.finish(command.id, End("accepted", {"status": "Accepted"}), NOW) is None
        assert not await steps.sent(command.id, SentFacts("w2", 8, NOW))
    assert ended == replace(recorded, state="timed_out", sent_at=NOW, finished_at=NOW + _HOUR)
    async with records.database.tenant(records.tenant.id) as work:
        assert await CommandStore(work).get(command.id) == ended
        assert await CommandStore(work).late(command.id, {"status": "Accepted\x00"})
        assert not await CommandStore(work).late(command.id, {"status": "Rejected"})
        stored = await CommandStore(work).get(command.id)
    assert stored == replace(ended, late_result={"status": "Accepted\ufffd"})


@ways
async def test_an_end_says_when_it_was_sent_if_that_is_not_recorded_yet(
    records: ChargePointRecords, way: str
) -> None:
    command = new_command(records)
    sent = SentFacts("w2", 8, NOW + _HOUR)
    end = End("call_error", {"a": 1}, {"code": "x", "description": ""}, sent)
    async with steps_of(records, way) as steps:
        recorded = (await record(steps, command)).command
        assert recorded is not None
        ended = await steps.finish(command.id, end, NOW + 2 * _HOUR)
        assert not await steps.sent(command.id, sent)
    assert ended == replace(
        recorded,
        state="call_error",
        worker="w2",
        epoch=8,
        sent_at=NOW + _HOUR,
        finished_at=NOW + 2 * _HOUR,
        result={"a": 1},
        error={"code": "x", "description": ""},
    )


@ways
async def test_an_idempotency_key_gives_the_first_command_again(
    records: ChargePointRecords, way: str
) -> None:
    first = new_command(records, idempotency_key="once")
    again = new_command(records, idempotency_key="once", request_digest=b"2")
    async with steps_of(records, way) as steps:
        recorded = (await record(steps, first)).command
        # Whatever else would refuse it.
        limits: dict[str, Any] = {"refusing": ["Accepted"], "queue_limit": 1}
        assert await record(steps, again, **limits) == Recorded("Accepted", True, None)
        assert await steps.known(again) == await steps.known(first) == recorded is not None
        assert await steps.known(new_command(records)) is None


async def test_what_was_recorded_is_not_recorded_twice(records: ChargePointRecords) -> None:
    """The answer of the database was lost, and so it was asked again."""
    command = new_command(records)
    async with steps_of(records, "alone") as steps:
        recorded = (await record(steps, command)).command
        assert (await record(steps, command)).command is None
        assert await steps.known(command) == recorded is not None


@ways
async def test_what_may_not_be_is_not_recorded(records: ChargePointRecords, way: str) -> None:
    async with steps_of(records, way) as steps:
        assert await steps.record(new_command(records, identity="CP-2"), refusing=[], queue_limit=9) is None
        assert await record(steps, new_command(records), refusing=["Rejected", "Accepted"]) == (
            "Accepted",
            False,
            None,
        )
        first, second = new_command(records), new_command(records)
        assert (await record(steps, first, queue_limit=1)).command is not None
        assert await record(steps, second, queue_limit=1) == ("Accepted", True, None)
        assert await steps.sent(first.id, SentFacts("w1", 7, NOW))
        assert (await record(steps, second, queue_limit=1)).command is not None
    async with records.database.tenant(records.tenant.id) as work:
        assert {command.id for command in await CommandStore(work).page(9)} == {first.id, second.id}


_PROFILE: dict[str, Any] = {"idTag": "T", "chargingProfile": {}}


@pytest.mark.parametrize("action", [message["action"] for message in messages_of(OCPP16, "central_system")])
async def test_by_itself_ends_only_what_changes_nothing_else(
    records: ChargePointRecords, settings: Settings, action: str
) -> None:
    triggers = command_effects(settings).triggers
    command, start = (
        new_command(
            records, action=action, payload=payload, has_effects=has_effects(triggers, action, payload)
        )
        for payload in ({"type": "Soft"}, _PROFILE)
    )
    steps = CommandSteps(records.storage.command_steps.rows, TenantId(records.tenant.id))
    for each, alone in (
        (command, not has_effects(triggers, action, {"type": "Soft"})),
        (start, not has_effects(triggers, action, _PROFILE)),
    ):
        await record(steps, each)
        ended = await steps.finish(each.id, End("accepted"), NOW, only_without_effects=True)
        assert (ended is not None) is alone
        assert (await steps.finish(each.id, End("accepted"), NOW) is None) is alone


async def test_a_command_that_gives_way_is_recorded_while_no_other_is_under_way(
    records: ChargePointRecords,
) -> None:
    async with steps_of(records, "alone") as steps:

        async def is_recorded(command: NewCommand, *, gives_way: bool = True) -> bool:
            found = await steps.record(command, refusing=[], queue_limit=9, gives_way=gives_way)
            return found is not None and found.command is not None

        operators, own = new_command(records), new_command(records)
        assert await is_recorded(operators, gives_way=False)
        assert not await is_recorded(own)
        assert await steps.sent(operators.id, SentFacts("w1", 7, NOW))
        assert not await is_recorded(own)
        assert await steps.finish(operators.id, End("accepted"), NOW) is not None
        assert await is_recorded(own)
        assert not await is_recorded(new_command(records))
        # An operator's command is not refused because of it.
        assert await is_recorded(new_command(records), gives_way=False)
