"""Logins without tokens are judged at a bounded rate, in the order of their ranks, and none for ever."""

import asyncio

import pytest

from app.gateway import login_turns
from app.gateway.limiter import Pair
from app.gateway.login_turns import LoginTurns


def pair(name: str) -> Pair:
    return Pair(name, "demo", "CP1")


async def served(turns: LoginTurns, asked: list[tuple[str, int]]) -> list[str]:
    """Return the names in the order of their turns."""
    order: list[str] = []

    async def one(name: str, rank: int) -> None:
        if await turns.wait(pair(name), rank):
            order.append(name)

    # The first one uses the turn that is free now.
    assert await turns.wait(pair("first"), 2)
    await asyncio.gather(*(one(name, rank) for name, rank in asked))
    return order


async def test_turns_come_at_a_bounded_rate() -> None:
    turns = LoginTurns(per_s=50)
    begun = asyncio.get_running_loop().time()
    assert len(await served(turns, [(str(number), 2) for number in range(5)])) == 5
    assert asyncio.get_running_loop().time() - begun >= 5 / 50 - 0.01
    assert await turns.wait(pair("x"), 2)


async def test_within_a_rank_each_pair_has_one_turn_after_the_other() -> None:
    crowd = [("crowd", 2)] * 3
    assert await served(LoginTurns(per_s=200), [*crowd, ("one", 2)]) == ["crowd", "one", "crowd", "crowd"]


async def test_lower_ranks_come_first_and_the_last_is_not_forgotten() -> None:
    asked = [("c", 2), ("c", 2), ("b", 1), ("a", 0), ("a", 0), ("a", 0)]
    assert await served(LoginTurns(per_s=200), asked) == ["a", "a", "a", "c", "b", "c"]


async def test_none_waits_for_ever() -> None:
    assert await served(LoginTurns(per_s=1, wait_s=0.05), [("a", 2), ("b", 0)]) == []


async def test_one_that_has_given_up_takes_no_turn() -> None:
    turns = LoginTurns(per_s=100, wait_s=5.0)
    assert await turns.wait(pair("first"), 0)
    left = asyncio.create_task(turns.wait(pair("left"), 0))
    await asyncio.sleep(0)
    left.cancel()
    assert await turns.wait(pair("next"), 2)


async def test_the_number_of_those_who_wait_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = LoginTurns(per_s=0.01, wait_s=0.05)
    assert await turns.wait(pair("first"), 0)
    same = [asyncio.create_task(turns.wait(pair("a"), 2)) for _ in range(8)]
    await asyncio.sleep(0)
    assert [task.result() for task in same if task.done()] == [False] * 3
    monkeypatch.setattr(login_turns, "_WAITING_LIMIT", 5)
    assert not await turns.wait(pair("b"), 0)
    assert await asyncio.gather(*same) == [False] * 8
