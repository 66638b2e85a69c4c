"""Things that many ask for at once, done together. A leaf: who carries them out is the caller's business.

No artificial delay: what comes while one batch is under way is the next one, so that a single caller waits
for nobody and a storm of callers shares each round trip.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Hands items on in batches, one batch after the other and each in the order of its items' arrival."""

    def __init__(self, run_batch: Callable[[list[Item]], Awaitable[Sequence[Answer]]], limit: int) -> None:
        """run_batch: returns an answer for each item, in their order; limit: items of one batch.

        What `run_batch` raises is raised to everybody in that batch, and costs the next one nothing.
        """
        self._run_batch = run_batch
        self._limit = limit
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, item: Item) -> "asyncio.Future[Answer]":
        """Take an item. Who gives its future up changes nothing: it is carried out all the same."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = loop.create_task(self._run())
        return future

    async def drain(self) -> None:
        """Wait until nothing is left to do."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), self._limit)
                await self._settle([self._waiting.popleft() for _ in range(count)])
        finally:
            self._task = None

    async def _settle(self, batch: "list[tuple[Item, asyncio.Future[Answer]]]") -> None:
        try:
            answers = await self._run_batch([item for item, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
