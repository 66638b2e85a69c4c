"""The memory of a worker, and an end on the bus: what is read is what was put in."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from app.commands.in_flight import (
    IssuedCommand,
    IssuedCommands,
    OwnedCommands,
    Waiters,
    decoded_end,
    encoded_end,
)
from app.commands.records import CommandRecord
from app.live.envelopes import CallEnvelope, DoneEnvelope
from app.types import CommandId, TenantId, WorkerId

ENVELOPE = CallEnvelope(
    tenant_id=TenantId(1),
    identity="cp",
    epoch=1,
    life_s=300.0,
    full_life_s=300.0,
    issuer=WorkerId("a"),
    command_id=CommandId("1"),
    action="ClearCache",
    payload="{}",
    timeout_s=30.0,
)

AT = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
ENDED = CommandRecord(
    id=UUID("6fa459ea-ee8a-3ca4-894e-db77e160355e"),
    tenant_id=7,
    charge_point_id=8,
    identity="CP-1",
    action="GetConfiguration",
    payload={"key": ["A"]},
    state="accepted",
    created_at=AT,
    deadline_at=AT,
    timeout_s=30.5,
    issued_by="key:ab",
    sent_at=AT,
    finished_at=AT,
    worker="w",
    epoch=3,
    result={"configurationKey": [{"key": "A", "readonly": False, "value": "1"}], "n": [1, 2.5, None]},
    idempotency_key="k",
    request_digest=b"digest",
    credential_hash=b"hash",
)


def envelope(ended: bytes | None, command_id: str = str(ENDED.id), tenant_id: int = 7) -> DoneEnvelope:
    return DoneEnvelope(
        tenant_id=TenantId(tenant_id),
        identity="CP-1",
        epoch=0,
        life_s=60.0,
        issuer=WorkerId("w"),
        command_id=CommandId(command_id),
        ended=ended,
    )


def test_a_command_is_admitted_once() -> None:
    owned = OwnedCommands()
    assert owned.admit(CommandId("1"), 300.0, 0.0)
    assert not owned.admit(CommandId("1"), 300.0, 1.0)
    assert owned.admit(CommandId("2"), 300.0, 1.0)


def test_it_is_remembered_until_its_deadline_and_no_longer() -> None:
    owned = OwnedCommands()
    for number in range(10):
        owned.admit(CommandId(str(number)), 300.0 + number, 0.0)
    owned.admit(CommandId("x"), 900.0, 305.0)
    assert [command_id for command_id, _ in owned._seen] == ["5", "6", "7", "8", "9", "x"]


def test_only_what_was_not_sent_is_overdue() -> None:
    owned = OwnedCommands()
    waiting = owned.add(ENVELOPE, 1000.0)
    sent = owned.add(msgspec.structs.replace(ENVELOPE, command_id=CommandId("2")), 1000.0)
    sent.sent_s = 1001.0
    assert owned.unsent() == [waiting]
    assert owned.overdue(1300.0) == []
    assert owned.overdue(1300.1) == [waiting]
    owned.end(CommandId("1"), "accepted")
    assert owned.overdue(1300.1) == owned.unsent() == []


def test_a_route_is_forgotten_at_its_end_or_deadline() -> None:
    issued = IssuedCommands()
    issued.add(IssuedCommand(ENVELOPE, WorkerId("b"), 300.0), 0.0)
    assert issued.get(CommandId("1")) is not None
    later = msgspec.structs.replace(ENVELOPE, command_id=CommandId("2"))
    issued.add(IssuedCommand(later, WorkerId("b"), 900.0), 301.0)
    assert issued.get(CommandId("1")) is None
    issued.end(CommandId("2"))
    issued.end(CommandId("2"))
    assert issued.get(CommandId("2")) is None


async def test_all_who_wait_are_woken_and_nothing_stays() -> None:
    waiters = Waiters()
    with waiters.waiting("1") as first, waiters.waiting("1") as second, waiters.waiting("2") as other:
        waiters.wake("1")
        waiters.wake("unknown")
        woken = [asyncio.ensure_future(waiter.wait(5)) for waiter in (first, second)]
        assert await asyncio.wait(woken, timeout=5) == (set(woken), set())
        still = asyncio.ensure_future(other.wait(60))
        assert await asyncio.wait({still}, timeout=0.05) == (set(), {still})
        still.cancel()
    assert len(waiters._waiters) == 0


async def test_no_wait_is_given_the_end_of_another_command() -> None:
    waiters = Waiters()
    ended: Any = object()
    with waiters.waiting("1") as first, waiters.waiting("2") as other:
        waiters.wake("1", ended)
        assert (first.ended, other.ended) == (ended, None)


async def test_an_end_before_the_wait_is_not_lost_and_may_say_what_it_is() -> None:
    waiters = Waiters()
    ended: Any = object()
    with waiters.waiting("1") as waiter:
        waiters.wake("1", ended)
        waiters.wake("1")
        await asyncio.wait_for(waiter.wait(60), 5)
        assert waiter.ended is ended


@pytest.mark.parametrize("changes", [{"life_s": 10.0}, {"epoch": 9}])
def test_an_envelope_survives_its_encoding(changes: dict[str, float]) -> None:
    envelope = msgspec.structs.replace(ENVELOPE, **changes)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(envelope), type=CallEnvelope) == envelope


def test_what_comes_out_is_what_went_in_but_for_the_secrets() -> None:
    assert decoded_end(envelope(encoded_end(ENDED))) == replace(ENDED, credential_hash=None)


def test_what_is_too_long_does_not_travel() -> None:
    assert encoded_end(replace(ENDED, result={"x": "y" * 20_000})) is None


@pytest.mark.parametrize(
    "other",
    [
        envelope(None),
        envelope(b"\xc1"),
        envelope(msgspec.msgpack.encode({"id": str(ENDED.id)})),
        envelope(encoded_end(ENDED), command_id=str(uuid4())),
        envelope(encoded_end(ENDED), tenant_id=8),
    ],
    ids=["nothing", "no msgpack", "another version", "another command", "another tenant"],
)
def test_anything_else_is_looked_up(other: DoneEnvelope) -> None:
    assert decoded_end(other) is None
