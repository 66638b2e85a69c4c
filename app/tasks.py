"""Runs work that no caller awaits. Failures are logged, and the work ends on request.

asyncio itself keeps only weak references to tasks, so these classes hold them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from app.logs import get_logger

_AFTER_FAULT_S = 1.0
_CANCEL_AGAIN_S = 0.2

_LOG = get_logger(__name__)


class PeriodicTask:
    """Runs one step again and again, until it is stopped.

    An exception in a step is logged, and the loop goes on: a worker without its lease renewal or its inbox is
    worse than one with a defect in them.
    """

    def __init__(self, step: Callable[[], Awaitable[float]], name: str) -> None:
        """Start the loop. step: returns the seconds to pause before the next step; name: for the log."""
        self._step = step
        self._task = asyncio.create_task(self._run(), name=name)

    async def stop(self) -> None:
        """Stop the loop, and wait until it has ended."""
        # redis-py loses a cancellation that comes while it returns a connection to the pool, so one
        # cancellation may not be enough.
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_CANCEL_AGAIN_S)

    async def _run(self) -> None:
        while True:
            try:
                pause_s = await self._step()
            except Exception:
                _LOG.exception("loop_step_failed", loop=self._task.get_name())
                pause_s = _AFTER_FAULT_S
            await asyncio.sleep(pause_s)


class BackgroundTasks:
    """A set of running tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` in a task. An exception in it is logged under `name`, and not raised."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def one_ended(self) -> None:
        """Wait until one of the tasks has ended, if there are any."""
        if self._tasks:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def drain(self) -> None:
        """Wait until no task is left. Tasks that are started meanwhile are included."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def drain_within(self, seconds: float) -> None:
        """Wait up to `seconds`, then cancel the remaining tasks."""
        try:
            async with asyncio.timeout(seconds):
                await self.drain()
        except TimeoutError:
            await self.close()

    async def close(self) -> None:
        """Cancel all tasks, and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await self.drain()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("background_task_failed", task=task.get_name(), exc_info=error)
