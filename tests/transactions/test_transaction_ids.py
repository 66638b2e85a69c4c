"""Free transaction ids: two batches never share one, and none is lost without need."""

import asyncio
from typing import Any, cast

from app.transactions.store.transaction_ids import TransactionIds


class _Counter:
    """Counts as the table of a tenant's ids does."""

    def __init__(self) -> None:
        self.next_id = 1
        self.calls = 0

    async def fetchval(self, _: str, __: int, block: int) -> int:
        self.calls += 1
        await asyncio.sleep(0)
        self.next_id += block
        return self.next_id


async def test_two_batches_at_once_never_want_for_an_id_that_the_other_has() -> None:
    ids, counter = TransactionIds(), _Counter()
    taken: list[int] = []

    async def batch(count: int) -> None:
        async with ids.reserved(cast(Any, counter), {7: count}) as own:
            for _ in range(count):
                await asyncio.sleep(0)
                taken.append(own.take(7))

    await asyncio.gather(*(batch(1 + number % 40) for number in range(60)))
    assert len(set(taken)) == len(taken) == sum(1 + number % 40 for number in range(60))


async def test_what_a_batch_has_not_taken_is_given_to_the_next_one() -> None:
    ids, counter = TransactionIds(), _Counter()
    for number in range(1, 41):
        async with ids.reserved(cast(Any, counter), {7: 5}) as own:
            assert own.take(7) == number
    assert counter.calls == 1
