"""Pings for all sockets of a worker from one timer: no connection has a timer of its own."""

import asyncio
import math

from app.gateway.websocket_connection import Wire
from app.tasks import Loop

_COARSEST_S = 1.0


class Keepalive:
    """A wheel: each wire lies in the turn in which it is looked at next."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        """interval_s: from ping to ping; timeout_s: how long a sign of life may take after one."""
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        # A late look costs nothing but time; a tenth of the shortest wait is late enough.
        self._turn_s = min(_COARSEST_S, interval_s / 10, timeout_s / 10)
        self._turns: dict[int, list[Wire]] = {}
        self._turn = 0
        self._loop: Loop | None = None

    def start(self) -> None:
        """Turn from now on."""
        self._turn = self._turn_at(asyncio.get_running_loop().time())
        self._loop = Loop(self._step, "keepalive")

    async def close(self) -> None:
        """Turn no more."""
        if self._loop is not None:
            await self._loop.stop()

    def add(self, wire: Wire) -> None:
        """Ping a wire from now on, until it is over."""
        self._plan(wire, asyncio.get_running_loop().time() + self._interval_s)

    def _plan(self, wire: Wire, at: float) -> None:
        turn = max(self._turn_at(at), self._turn + 1)
        self._turns.setdefault(turn, []).append(wire)

    def _turn_at(self, at: float) -> int:
        return math.ceil(at / self._turn_s)

    async def _step(self) -> float:
        now = asyncio.get_running_loop().time()
        due = math.floor(now / self._turn_s)
        while self._turn < due:
            wires = self._turns.get(self._turn + 1, [])
            # Taken out one by one: what one of them raises must not cost the others their pings.
            while wires:
                wire = wires.pop()
                wait_s = wire.keep_alive(self._interval_s, self._timeout_s)
                if wait_s is not None:
                    self._plan(wire, now + wait_s)
            self._turn += 1
            self._turns.pop(self._turn, None)
        return (due + 1) * self._turn_s - now
