"""One thing at a time, in order, and nothing in the event loop while there is nothing to do."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Work = Coroutine[Any, Any, None]


class SerialQueue(Generic[Item]):
    """Works off items one after the other. The work must not raise: what it raises ends it loudly.

    Work that needs no wait is done within `push`. Other work is a coroutine that is stepped here and not by a
    task of asyncio: a task for each CALL would cost as much as reading its frame. So it may await futures and
    tasks, and nothing that asks for the current task (`asyncio.timeout`, database drivers): such work belongs
    in a task.
    """

    __slots__ = ("_current", "_idle", "_items", "_start")

    def __init__(self, start: Callable[[Item], Work | None]) -> None:
        """start: does all of an item at once and returns None, or returns what is left to do."""
        self._start = start
        # Made when an item has to wait: an empty one is a tenth of what an idle charge point costs.
        self._items: deque[Item] | None = None
        self._current: Work | None = None
        self._idle: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Items that wait; the one being worked on is not counted."""
        return len(self._items) if self._items is not None else 0

    def push(self, item: Item) -> None:
        """Put an item at the end."""
        if self._current is not None or self._items:
            self.append(item)
            return
        self._current = self._start(item)
        if self._current is not None:
            self._step()

    def append(self, item: Item) -> None:
        """Put an item at the end, and begin nothing before `resume`."""
        if self._items is None:
            self._items = deque()
        self._items.append(item)

    def resume(self) -> None:
        """Begin with what was held, if nothing is being worked on."""
        if self._current is None:
            self._advance()
            self._step()

    def clear(self) -> None:
        """Forget what waits; the item being worked on is finished."""
        self._items = None

    async def settled(self) -> None:
        """Wait until everything pushed so far is done."""
        while self._current is not None or self._items:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    def _step(self, _done: object = None) -> None:
        """Run up to the next wait. Futures call this when they are done."""
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
            # What a task does with the future that its coroutine yields.
            blocker._asyncio_future_blocking = False
            blocker.add_done_callback(self._step)

    def _advance(self) -> None:
        """Take up the next item that has something left to do."""
        self._current = None
        try:
            while self._items and self._current is None:
                self._current = self._start(self._items.popleft())
        except BaseException:
            # What waits behind an item that has failed.
            asyncio.get_running_loop().call_soon(self.resume)
            raise
        if self._current is None and self._idle is not None:
            self._idle.set_result(None)
            self._idle = None
