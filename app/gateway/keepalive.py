"""Pings for all sockets of a worker from one timer: no connection has a timer of its own."""

import asyncio
import math

from app.gateway.websocket_connection import WebSocketConnection
from app.tasks import PeriodicTask

_COARSEST_S = 1.0


class Keepalive:
    """A wheel: each connection lies in the turn in which it is looked at next."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        """interval_s: from ping to ping; timeout_s: how long a sign of life may take after one."""
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        # A late look costs nothing but time; a tenth of the shortest wait is late enough.
        self._slot_s = min(_COARSEST_S, interval_s / 10, timeout_s / 10)
        self._slots: dict[int, list[WebSocketConnection]] = {}
        self._slot = 0
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Turn from now on."""
        self._slot = self._slot_at(asyncio.get_running_loop().time())
        self._loop = PeriodicTask(self._step, "keepalive")

    async def close(self) -> None:
        """Turn no more."""
        if self._loop is not None:
            await self._loop.stop()

    def add(self, connection: WebSocketConnection) -> None:
        """Ping a connection from now on, until it is over."""
        self._plan(connection, asyncio.get_running_loop().time() + self._interval_s)

    def _plan(self, connection: WebSocketConnection, at: float) -> None:
        slot = max(self._slot_at(at), self._slot + 1)
        self._slots.setdefault(slot, []).append(connection)

    def _slot_at(self, at: float) -> int:
        return math.ceil(at / self._slot_s)

    async def _step(self) -> float:
        now = asyncio.get_running_loop().time()
        current = math.floor(now / self._slot_s)
        while self._slot < current:
            connections = self._slots.get(self._slot + 1, [])
            # Taken out one by one: what one of them raises must not cost the others their pings.
            while connections:
                connection = connections.pop()
                wait_s = connection.keep_alive(self._interval_s, self._timeout_s)
                if wait_s is not None:
                    self._plan(connection, now + wait_s)
            self._slot += 1
            self._slots.pop(self._slot, None)
        return (current + 1) * self._slot_s - now
