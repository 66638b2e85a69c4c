"""Sweeps rows whose time has come, and at once those of charge points that have just logged in.

Work on a row may wait for a server of its tenant. So no row waits for the work on another.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from app.connection import Connection
from app.errors import StoreUnavailable
from app.tasks import BackgroundTasks, PeriodicTask
from app.types import ChargePointKey

_SWEEP_S: Final = 5.0
_LOGIN_PAUSE_S: Final = 0.2
_LOGINS_KEPT: Final = 100_000
_WORKING: Final = 100
_BATCH: Final = 20


class LoginSweeper:
    """The sweep of one worker. A class that extends it says in `sweep` which rows it works on.

    Attributes:
        logins: the charge points that have logged in since the last sweep.
    """

    def __init__(self, name: str) -> None:
        """name: for the log."""
        self._name = name
        self._woken = asyncio.Event()
        self._loop: PeriodicTask | None = None
        self._working = BackgroundTasks()
        self.logins: set[ChargePointKey] = set()

    def start(self) -> None:
        """Sweep in the background."""
        self._loop = PeriodicTask(self._sweep_and_pause, self._name)

    async def close(self) -> None:
        """Stop sweeping."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None
        await self._working.close()

    def wake(self) -> None:
        """Sweep now."""
        self._woken.set()

    def logged_in(self, connection: Connection) -> None:
        """Work on what waits for a charge point that has logged in."""
        if len(self.logins) < _LOGINS_KEPT:
            self.logins.add(ChargePointKey(connection.tenant_id, connection.charge_point_id))
        self._woken.set()

    async def sweep(self) -> int:
        """Begin work on the rows whose time has come, at most `room` of them; return how many there were.

        Raises:
            StoreUnavailable: the database does not answer. What was taken is looked at again later.
        """
        raise NotImplementedError

    @property
    def room(self) -> int:
        """How many rows the next sweep may take."""
        return max(0, min(_BATCH, _WORKING - len(self._working)))

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Work on a row in the background. When the sweeper closes, the work is cancelled."""
        self._working.spawn(work, self._name)

    async def _sweep_and_pause(self) -> float:
        self._woken.clear()
        if self.room == 0:
            await self._working.one_ended()
        try:
            if await self.sweep() > 0:
                return 0.0
        except StoreUnavailable:
            return _SWEEP_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SWEEP_S):
                await self._woken.wait()
        # Logins come in bursts.
        return _LOGIN_PAUSE_S if self.logins else 0.0
