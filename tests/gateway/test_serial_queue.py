"""One thing at a time, in order, also behind an item that fails."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from app.gateway.serial_queue import SerialQueue


class Worker:
    """Items with a small letter are done at once, with a capital one they wait, `!` fails."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.queue = SerialQueue(self.work)
        self.free = asyncio.Event()

    def work(self, item: str) -> Coroutine[Any, Any, None] | None:
        if item == "!":
            raise ZeroDivisionError
        if item.isupper():
            return self.finish(item)
        self.done.append(item)
        return None

    async def finish(self, item: str) -> None:
        await self.free.wait()
        self.done.append(item)


@pytest.mark.parametrize("items", ["abc", "AbC", "ABC", "aBc"])
async def test_items_are_done_in_their_order(items: str) -> None:
    worker = Worker()
    for item in items:
        worker.queue.push(item)
    worker.free.set()
    await asyncio.wait_for(worker.queue.settled(), 10)
    assert "".join(worker.done) == items


@pytest.mark.parametrize("items", ["A!b", "A!B!c", "A!!bC", "A!"])
async def test_what_waits_behind_a_failed_item_is_done_in_its_order(items: str) -> None:
    worker = Worker()
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))
    for item in items:
        worker.queue.push(item)
    settled = asyncio.ensure_future(worker.queue.settled())
    worker.free.set()
    while len(worker.done) == 0:  # noqa: ASYNC110
        await asyncio.sleep(0)
    worker.queue.push("z")
    await asyncio.wait_for(settled, 10)
    assert "".join(worker.done) == items.replace("!", "") + "z"
    assert len(faults) == items.count("!")
