"""Work nobody awaits: kept from the garbage collector, its failures logged, ended on request."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

_AFTER_FAULT_S = 1.0
_CANCEL_AGAIN_S = 0.2

log = structlog.get_logger(__name__)


class PeriodicTask:
    """One step over and over, until it is stopped.

    step: returns the seconds to pause before the next one. A fault of ours in a step is logged and the loop
    goes on: a worker without its renewal or its inbox would be worse than one with a fault.
    """

    def __init__(self, step: Callable[[], Awaitable[float]], name: str) -> None:
        self._step = step
        self._task = asyncio.create_task(self._run(), name=name)

    async def stop(self) -> None:
        """End the loop and wait until it has ended."""
        # redis-py loses a cancellation that comes while it gives a connection back, so one may not be enough.
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_CANCEL_AGAIN_S)

    async def _run(self) -> None:
        while True:
            try:
                pause_s = await self._step()
            except Exception:
                log.exception("loop_step_failed", loop=self._task.get_name())
                pause_s = _AFTER_FAULT_S
            await asyncio.sleep(pause_s)


class BackgroundTasks:
    """A set of running tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work`; an exception in it is logged under `name` and goes no further."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def drain(self) -> None:
        """Wait until no task is left, those included that tasks start meanwhile."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def drain_within(self, seconds: float) -> None:
        """Wait at most so long, then cancel what still runs."""
        try:
            async with asyncio.timeout(seconds):
                await self.drain()
        except TimeoutError:
            await self.close()

    async def close(self) -> None:
        """Cancel what runs and wait for its end."""
        for task in self._tasks:
            task.cancel()
        await self.drain()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background_task_failed", task=task.get_name(), exc_info=error)
