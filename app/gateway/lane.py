"""One thing at a time, in order, and no task while there is nothing to do."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

_running: set[asyncio.Task[None]] = set()
"""The event loop keeps only weak references to tasks; a lane that works must not be collected."""


class Lane(Generic[Item]):
    """Works off items one after the other. The work must not raise: what it raises ends the lane's task."""

    __slots__ = ("_items", "_task", "_work")

    def __init__(self, work: Callable[[Item], Awaitable[None]]) -> None:
        self._work = work
        self._items: deque[Item] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Items that wait; the one being worked on is not counted."""
        return len(self._items)

    def push(self, item: Item) -> None:
        """Put an item at the end."""
        self._items.append(item)
        if self._task is None:
            self._task = task = asyncio.get_running_loop().create_task(self._run())
            _running.add(task)
            task.add_done_callback(_running.discard)

    def clear(self) -> None:
        """Forget what waits; the item being worked on is finished."""
        self._items.clear()

    async def settled(self) -> None:
        """Wait until everything pushed so far is done."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._items:
                await self._work(self._items.popleft())
        finally:
            self._task = None
