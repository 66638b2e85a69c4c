"""Requests of many callers are done together: batches, their order, their failures."""

import asyncio

import pytest

from app.batcher import Batcher


class Work:
    """Doubles numbers; the test lets each batch end."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_end = asyncio.Semaphore(0)

    async def carry_out(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        await self.may_end.acquire()
        if 13 in numbers:
            raise ValueError("a bad number")
        return [number * 2 for number in numbers]


async def test_what_comes_while_a_batch_is_under_way_is_the_next_one() -> None:
    work = Work()
    batcher = Batcher(work.carry_out, 3)
    first = [batcher.add(number) for number in (1, 2)]
    await asyncio.sleep(0)
    second = [batcher.add(number) for number in (3, 4, 5, 6)]
    for _ in range(3):
        work.may_end.release()
    assert await asyncio.gather(*first, *second) == [2, 4, 6, 8, 10, 12]
    assert work.batches == [[1, 2], [3, 4, 5], [6]]


async def test_a_failure_is_that_of_its_batch_only() -> None:
    work = Work()
    batcher = Batcher(work.carry_out, 2)
    answers = [batcher.add(number) for number in (13, 1, 2)]
    for _ in range(2):
        work.may_end.release()
    for failed in answers[:2]:
        with pytest.raises(ValueError, match="a bad number"):
            await failed
    assert await answers[2] == 4


async def test_who_gives_up_holds_nobody_up_and_settling_waits_for_all() -> None:
    work = Work()
    batcher = Batcher(work.carry_out, 1)
    given_up, wanted = batcher.add(1), batcher.add(2)
    given_up.cancel()
    for _ in range(2):
        work.may_end.release()
    await batcher.drain()
    assert wanted.result() == 4
    assert work.batches == [[1], [2]]
