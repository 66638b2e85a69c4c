"""Collects the requests of many callers into batches, so that they share a round trip to the database.

A batch is never delayed to become larger. Requests that come while a batch is under way form the next one. So
a single caller does not wait for others, and many callers at once share each round trip.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Runs items in batches, one batch after the other, each in the order of arrival."""

    def __init__(self, run_batch: Callable[[list[Item]], Awaitable[Sequence[Answer]]], limit: int) -> None:
        """Make a batcher.

        Args:
            run_batch: returns an answer for each item, in the order of the items. An exception is raised to
                all callers of that batch; the next batch is not affected.
            limit: the most items of one batch.
        """
        self._run_batch = run_batch
        self._limit = limit
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, item: Item) -> "asyncio.Future[Answer]":
        """Add an item. It is run even if the caller cancels the future."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = loop.create_task(self._run())
        return future

    async def drain(self) -> None:
        """Wait until all items are done."""
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
