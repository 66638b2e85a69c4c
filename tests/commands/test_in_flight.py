"""What a worker remembers of the commands that pass through it."""

import asyncio
from typing import Any

import msgspec
import pytest

from app.commands.in_flight import Custody, Route, Routes, Waiters
from app.live.envelopes import CallEnvelope
from app.types import CommandId, TenantId, WorkerId

ENVELOPE = CallEnvelope(
    tenant_id=TenantId(1),
    identity="cp",
    epoch=1,
    deadline=300.0,
    issuer=WorkerId("a"),
    command_id=CommandId("1"),
    action="ClearCache",
    payload="{}",
    timeout_s=30.0,
)


def test_a_command_is_admitted_once() -> None:
    custody = Custody()
    assert custody.admit(CommandId("1"), 300.0, 0.0)
    assert not custody.admit(CommandId("1"), 300.0, 1.0)
    assert custody.admit(CommandId("2"), 300.0, 1.0)


def test_it_is_remembered_until_its_deadline_and_no_longer() -> None:
    custody = Custody()
    for number in range(10):
        custody.admit(CommandId(str(number)), 300.0 + number, 0.0)
    custody.admit(CommandId("x"), 900.0, 305.0)
    assert list(custody._seen) == ["5", "6", "7", "8", "9", "x"]


def test_only_what_was_not_sent_is_overdue() -> None:
    custody = Custody()
    waiting = custody.hold(ENVELOPE)
    sent = custody.hold(msgspec.structs.replace(ENVELOPE, command_id=CommandId("2")))
    sent.sent_s = 1.0
    assert custody.overdue(300.0) == []
    assert custody.overdue(300.1) == [waiting]
    custody.end(CommandId("1"))
    assert custody.overdue(300.1) == []


def test_a_route_is_forgotten_at_its_end_or_deadline() -> None:
    routes = Routes()
    routes.put(Route(ENVELOPE, WorkerId("b")), 0.0)
    assert routes.get(CommandId("1")) is not None
    later = msgspec.structs.replace(ENVELOPE, command_id=CommandId("2"), deadline=900.0)
    routes.put(Route(later, WorkerId("b")), 301.0)
    assert routes.get(CommandId("1")) is None
    routes.end(CommandId("2"))
    routes.end(CommandId("2"))
    assert routes.get(CommandId("2")) is None


async def test_all_who_wait_are_woken_and_nothing_stays() -> None:
    waiters = Waiters()
    with waiters.waiting("1") as first, waiters.waiting("1") as second, waiters.waiting("2") as other:
        waiters.wake("1")
        waiters.wake("nobody")
        woken = [asyncio.ensure_future(waiter.wait(5)) for waiter in (first, second)]
        assert await asyncio.wait(woken, timeout=5) == (set(woken), set())
        still = asyncio.ensure_future(other.wait(60))
        assert await asyncio.wait({still}, timeout=0.05) == (set(), {still})
        still.cancel()
    assert len(waiters._waiters) == 0


async def test_nobody_is_given_the_end_of_another_command() -> None:
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


@pytest.mark.parametrize("changes", [{"deadline": 10.0}, {"epoch": 9}])
def test_an_envelope_survives_its_encoding(changes: dict[str, float]) -> None:
    envelope = msgspec.structs.replace(ENVELOPE, **changes)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(envelope), type=CallEnvelope) == envelope
