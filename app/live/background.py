"""Tasks nobody awaits: kept from the garbage collector, their failures logged, all ended together."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Background:
    """A set of running tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work`; an exception in it is logged under `name` and goes no further."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def settle(self) -> None:
        """Wait until no task is left, those included that tasks start meanwhile."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def settle_within(self, seconds: float) -> None:
        """Wait at most so long, then cancel what still runs."""
        try:
            async with asyncio.timeout(seconds):
                await self.settle()
        except TimeoutError:
            await self.close()

    async def close(self) -> None:
        """Cancel what runs and wait for its end."""
        for task in self._tasks:
            task.cancel()
        await self.settle()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background_task_failed", task=task.get_name(), exc_info=error)
