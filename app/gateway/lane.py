"""One thing at a time, in order, and nothing in the event loop while there is nothing to do."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class Lane(Generic[Item]):
    """Works off items one after the other. The work must not raise: what it raises ends the lane loudly.

    The work is a coroutine that is stepped here and not by a task of asyncio: a task for each CALL would cost
    as much as reading its frame. It begins at once, within `push`. So it may await futures and tasks, and
    nothing that asks for the current task (`asyncio.timeout`, database drivers): such work belongs in a task.
    """

    __slots__ = ("_coroutine", "_idle", "_items", "_work")

    def __init__(self, work: Callable[[Item], Awaitable[None]]) -> None:
        self._work = work
        self._items: deque[Item] = deque()
        self._coroutine: Coroutine[Any, None, None] | None = None
        self._idle: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Items that wait; the one being worked on is not counted."""
        return len(self._items)

    def push(self, item: Item) -> None:
        """Put an item at the end."""
        self._items.append(item)
        if self._coroutine is None:
            self._coroutine = self._run()
            self._step()

    def clear(self) -> None:
        """Forget what waits; the item being worked on is finished."""
        self._items.clear()

    async def settled(self) -> None:
        """Wait until everything pushed so far is done."""
        while self._coroutine is not None:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    async def _run(self) -> None:
        while self._items:
            await self._work(self._items.popleft())

    def _step(self, _done: object = None) -> None:
        """Run up to the next wait. Futures call this when they are done."""
        coroutine = self._coroutine
        if coroutine is None:
            return
        try:
            blocker = coroutine.send(None)
        except BaseException as error:
            self._end()
            if not isinstance(error, StopIteration):
                raise
            return
        if blocker is None:
            asyncio.get_running_loop().call_soon(self._step)
        else:
            # What a task does with the future that its coroutine yields.
            blocker._asyncio_future_blocking = False
            blocker.add_done_callback(self._step)

    def _end(self) -> None:
        self._coroutine = None
        if self._idle is not None:
            self._idle.set_result(None)
            self._idle = None
