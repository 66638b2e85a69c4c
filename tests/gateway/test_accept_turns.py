"""New connections are read at a bounded rate, each address in turn, and each at last."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import uvloop

from app.gateway import accept_turns
from app.gateway.accept_turns import AcceptTurns
from app.gateway.anonymous_connections import AnonymousConnections, AnonymousLimits

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Loop:
    """A loop whose time passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., None], *arguments: Any) -> None:
        self.timers.append((when, partial(callback, *arguments)))

    def run_until(self, until: float) -> None:
        while self.timers and min(when for when, _ in self.timers) <= until:
            timer = min(self.timers, key=lambda one: one[0])
            self.timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[1]()
        self.now = until


class Arrivals:
    """Connections that want a turn; the addresses in the order in which they got one."""

    def __init__(self, per_s: float) -> None:
        self.loop: Any = Loop()
        self.turns = AcceptTurns(per_s)
        self.read: list[str] = []

    def come(self, address: str, *, is_gone: bool = False) -> None:
        if self.turns.take(self.loop):
            self.read.append(address)
            return

        def read() -> bool:
            if not is_gone:
                self.read.append(address)
            return not is_gone

        self.turns.wait(self.loop, address, read)

    def after(self, seconds: float) -> list[str]:
        self.loop.run_until(self.loop.now + seconds)
        return self.read


@pytest.fixture
def arrivals(monkeypatch: pytest.MonkeyPatch) -> Arrivals:
    """Ten turns a second, without a burst."""
    monkeypatch.setattr(accept_turns, "_BURST_S", 0.0)
    return Arrivals(10.0)


def test_as_many_are_read_as_the_rate_allows(arrivals: Arrivals) -> None:
    for _ in range(100):
        arrivals.come("a")
    assert len(arrivals.read) == 1
    assert len(arrivals.after(1.0)) in (10, 11)
    assert len(arrivals.after(4.0)) in (50, 51)
    assert len(arrivals.after(60.0)) == 100


def test_a_burst_is_read_at_once() -> None:
    arrivals = Arrivals(100.0)
    for _ in range(60):
        arrivals.come("a")
    assert len(arrivals.read) == 51
    assert len(arrivals.after(1.0)) == 60


@pytest.mark.parametrize("addresses", [1, 5, 50])
def test_who_comes_later_waits_for_one_turn_of_each_address(arrivals: Arrivals, addresses: int) -> None:
    for number in range(40 * addresses):
        arrivals.come(f"crowd {number % addresses}")
    arrivals.after(1.0)
    arrivals.come("charge point")
    found = arrivals.after((addresses + 1) / 10)
    assert "charge point" in found
    share = Counter(arrivals.after(100.0))
    assert len({share[f"crowd {number}"] for number in range(addresses)}) <= 2


def test_one_that_has_gone_takes_no_turn(arrivals: Arrivals) -> None:
    for _ in range(500):
        arrivals.come("a", is_gone=True)
    arrivals.come("b")
    arrivals.come("c")
    arrivals.come("c")
    assert arrivals.after(0.45)[-3:] == ["b", "c", "c"]


def test_those_that_have_gone_do_not_wait_for_turns(arrivals: Arrivals) -> None:
    """An address that brings them faster than turns come would fill the memory."""
    asked = Counter[str]()

    def ended() -> bool:
        asked["ended"] += 1
        return False

    for _ in range(20):
        arrivals.come("other")
    for _ in range(500):
        arrivals.turns.wait(arrivals.loop, "flood", ended)
    arrivals.after(0.5)
    assert asked["ended"] == 500


def test_turns_that_nobody_took_are_not_saved(arrivals: Arrivals) -> None:
    arrivals.come("a")
    arrivals.after(3600.0)
    for _ in range(30):
        arrivals.come("a")
    assert len(arrivals.after(0.0)) <= 3


def test_a_loop_that_was_late_does_not_give_all_at_once(arrivals: Arrivals) -> None:
    for _ in range(100):
        arrivals.come("a")
    arrivals.loop.now += 5.0
    assert len(arrivals.after(0.0)) <= 3


class Connection:
    """A connection, and whether it is read."""

    def __init__(self) -> None:
        self.read_paused = False

    def pause_reading(self) -> None:
        self.read_paused = True

    def resume_reading(self) -> None:
        self.read_paused = False

    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize("loop", LOOPS)
def test_each_connection_is_read_at_last_although_the_loop_is_late(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept_turns, "_BURST_S", 0.0)

    async def crowd() -> list[bool]:
        anonymous = AnonymousConnections(AnonymousLimits(accepts_per_s=800.0))
        connections: list[Any] = [Connection() for _ in range(50)]
        for number, one in enumerate(connections):
            anonymous.enter(one, one, f"192.0.2.{number}", 0)
            # The loop is busy with something else, so that timers expire before it goes on.
            time.sleep(0.004)  # noqa: ASYNC251 - the test is about that
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        return [one.read_paused for one in connections]

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert not any(runner.run(crowd()))
