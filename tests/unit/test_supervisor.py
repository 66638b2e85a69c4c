"""The supervisor: a system that refuses a process for a moment does not end the workers that run."""

import asyncio

import pytest

from app.settings import Settings
from app.supervisor import Listener, ServeError, Supervisor

_REFUSED = None


class _Scripted(Supervisor):
    """Its worker ends as the script says, at once; after the last line it runs until the stop."""

    def __init__(self, listener: Listener, *script: bool | None) -> None:
        super().__init__(Settings(), listener)
        self.script = list(script)
        self.done = asyncio.Event()

    async def _run_one(self) -> bool:
        if not self.script:
            self.done.set()
            await self._stopping.wait()
            return True
        was_ready = self.script.pop(0)
        if was_ready is _REFUSED:
            raise BlockingIOError("no more processes")
        self.ready.set()
        return was_ready


async def test_a_process_that_was_refused_is_asked_for_again() -> None:
    stop = asyncio.Event()
    with Listener(Settings(port=0)) as listener:
        supervisor = _Scripted(listener, True, _REFUSED, True)
        running = asyncio.create_task(supervisor.run(stop))
        first, _ = await asyncio.wait(
            {running, asyncio.create_task(supervisor.done.wait())},
            timeout=10,
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert running not in first
        assert supervisor.done.is_set()
        stop.set()
        await running


async def test_a_server_whose_first_worker_is_refused_does_not_start() -> None:
    with Listener(Settings(port=0)) as listener, pytest.raises(ServeError):
        await _Scripted(listener, _REFUSED).run(asyncio.Event())
