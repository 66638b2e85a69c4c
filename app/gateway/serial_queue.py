"""A queue whose items are worked on one at a time and in order, without a task of the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Work = Coroutine[Any, Any, None]


class SerialQueue(Generic[Item]):
    """Works on items one after the other. An exception of the work goes to the event loop's handler.

    Work that needs no wait is done within `push`. Other work is a coroutine. This class steps it, because an
    asyncio task for each CALL would cost as much as reading its frame. So the coroutine may await futures and
    tasks, but nothing that asks for the current task (`asyncio.timeout`, database drivers).
    """

    __slots__ = ("_current", "_idle", "_items", "_start")

    def __init__(self, start: Callable[[Item], Work | None]) -> None:
        """Make a queue. start: does all the work of an item and returns None, or returns the rest of it."""
        self._start = start
        # Made when an item has to wait: an empty deque is a tenth of the memory of an idle charge point.
        self._items: deque[Item] | None = None
        self._current: Work | None = None
        self._idle: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Return the number of waiting items, without the one that is being worked on."""
        return len(self._items) if self._items is not None else 0

    def push(self, item: Item) -> None:
        """Put an item at the end, and work on it if no other one is before it."""
        if self._current is not None or self._items:
            self.append(item)
            return
        self._current = self._start(item)
        if self._current is not None:
            self._step()

    def append(self, item: Item) -> None:
        """Put an item at the end. If the queue is idle, work begins with `resume`."""
        if self._items is None:
            self._items = deque()
        self._items.append(item)

    def resume(self) -> None:
        """Begin with the waiting items, if nothing is being worked on."""
        if self._current is None:
            self._advance()
            self._step()

    def clear(self) -> None:
        """Drop the waiting items. The item that is being worked on is finished."""
        self._items = None

    async def settled(self) -> None:
        """Wait until the queue is empty and idle."""
        while self._current is not None or self._items:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    def _step(self, _done: object = None) -> None:
        """Run the current work up to its next wait. The future that it waits for calls this again."""
        while self._current is not None:
            try:
                blocker = self._current.send(None)
            except StopIteration:
                self._advance()
            except BaseException:
                self._advance()
                if self._current is not None:
                    asyncio.get_running_loop().call_soon(self._step)
                raise
            else:
                self._wait_for(blocker)
                return

    def _wait_for(self, blocker: Any) -> None:
        if blocker is None:
            asyncio.get_running_loop().call_soon(self._step)
        else:
            # A task of asyncio does the same with a future that its coroutine yields.
            blocker._asyncio_future_blocking = False
            blocker.add_done_callback(self._step)

    def _advance(self) -> None:
        """Start the next items, up to one that has to wait."""
        self._current = None
        try:
            while self._items and self._current is None:
                self._current = self._start(self._items.popleft())
        except BaseException:
            # Go on with the items behind the one that failed.
            asyncio.get_running_loop().call_soon(self.resume)
            raise
        if self._current is None and self._idle is not None:
            self._idle.set_result(None)
            self._idle = None
