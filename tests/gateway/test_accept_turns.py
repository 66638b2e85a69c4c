"""New connections are read at a bounded rate, each address in turn, and each at last."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import uvloop

from app.gateway import accept_turns
from app.gateway.accept_turns import AcceptTurns

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


@dataclass
class Newcomer:
    """A connection that wants a turn."""

    address: str
    begun: list[str]
    refused: list[str]
    is_gone: bool = False

    def begin(self) -> bool:
        self.begun.append("gone" if self.is_gone else self.address)
        return not self.is_gone

    def refuse(self) -> None:
        self.refused.append(self.address)

    def close(self) -> None:
        self.refused.append(f"{self.address} closed")


class Arrivals:
    """Connections that want a turn. read, refused: their addresses, in the order in which it happened."""

    def __init__(self, per_s: float, crowd: int = 1000) -> None:
        self.loop: Any = Loop()
        self.turns = AcceptTurns(per_s, crowd)
        self.begun: list[str] = []
        self.refused: list[str] = []

    @property
    def read(self) -> list[str]:
        return [address for address in self.begun if address != "gone"]

    def come(self, address: str, *, is_gone: bool = False, room: int = 1_000_000) -> bool:
        newcomer = Newcomer(address, self.begun, self.refused, is_gone)
        return self.turns.come(self.loop, address, newcomer, room)

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
    for _ in range(20):
        arrivals.come("other")
    for _ in range(500):
        arrivals.come("flood", is_gone=True)
    arrivals.after(0.5)
    assert arrivals.begun.count("gone") == 500


def test_a_few_are_looked_at_in_one_step(arrivals: Arrivals, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ends of thousands must not hold up the loop."""
    steps: list[int] = []
    give = arrivals.turns._give

    def counting(loop: Any) -> None:
        before = len(arrivals.begun)
        give(loop)
        steps.append(len(arrivals.begun) - before)

    monkeypatch.setattr(arrivals.turns, "_give", counting)
    arrivals.come("first")
    for _ in range(500):
        arrivals.come("flood", is_gone=True)
    arrivals.after(0.5)
    assert sum(steps) == 500
    assert max(steps) <= 64


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


def test_a_crowd_gives_way_while_nobody_else_has_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept_turns, "_BURST_S", 0.0)
    arrivals = Arrivals(10.0, crowd=3)
    arrivals.come("first")
    for _ in range(6):
        assert not arrivals.come("crowd", room=8)
    for _ in range(3):
        assert not arrivals.come("few", room=8)
    # There is room for eight, so one of the crowd has gone. What comes of the crowd itself costs its own.
    assert arrivals.refused == ["crowd"]
    arrivals.come("crowd", room=8)
    assert arrivals.refused == ["crowd"] * 2
    # When the crowd is as small as any other address, the newcomer goes.
    for address in ("another", "one", "two", "last"):
        arrivals.come(address, room=8)
    assert arrivals.refused == ["crowd"] * 4 + ["two", "last"]
    assert len(arrivals.turns) == 8
    assert Counter(arrivals.after(10.0)) == {"first": 1, "crowd": 3, "few": 3, "another": 1, "one": 1}
    assert len(arrivals.turns) == 0


def test_a_defect_of_one_connection_does_not_end_the_turns(arrivals: Arrivals) -> None:
    class Defect(Newcomer):
        def begin(self) -> bool:
            raise RuntimeError("a defect")

    arrivals.come("first")
    arrivals.turns.come(arrivals.loop, "defect", Defect("defect", [], []), 10)
    arrivals.come("later")
    with pytest.raises(RuntimeError):
        arrivals.after(0.15)
    assert arrivals.after(0.5) == ["first", "later"]


def test_those_that_wait_can_all_be_closed(arrivals: Arrivals) -> None:
    for address in ("first", "a", "b", "a"):
        arrivals.come(address)
    arrivals.turns.close_all()
    assert sorted(arrivals.refused) == ["a closed", "a closed", "b closed"]
    assert len(arrivals.turns) == 0
    assert arrivals.after(10.0) == ["first"]
    assert arrivals.come("later")


@pytest.mark.parametrize("loop", LOOPS)
def test_each_connection_is_read_at_last_although_the_loop_is_late(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept_turns, "_BURST_S", 0.0)

    async def crowd() -> list[str]:
        turns = AcceptTurns(800.0, 1000)
        begun: list[str] = []
        for number in range(50):
            address = f"192.0.2.{number}"
            turns.come(asyncio.get_running_loop(), address, Newcomer(address, begun, []), 1000)
            # The loop is busy with something else, so that timers expire before it goes on.
            time.sleep(0.004)  # noqa: ASYNC251 - the test is about that
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while len(turns):  # noqa: ASYNC110 - there is nothing to subscribe to
                await asyncio.sleep(0.01)
        return begun

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert len(runner.run(crowd())) == 50
