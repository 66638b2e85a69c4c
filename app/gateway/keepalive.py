"""Pings the sockets of a worker. One timer serves all of them, so a connection needs no timer of its own."""

import asyncio
import math

from app.gateway.websocket_connection import WebSocketConnection
from app.tasks import PeriodicTask

_LONGEST_SLOT_S = 1.0


class Keepalive:
    """A timer wheel: each connection waits in the time slot in which it is checked next."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        """Make a wheel.

        Args:
            interval_s: seconds from ping to ping.
            timeout_s: seconds in which a peer that answers pings has to send something after a ping.
        """
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        # A check may be late by one slot: a tenth of the shorter wait.
        self._slot_s = min(_LONGEST_SLOT_S, interval_s / 10, timeout_s / 10)
        self._slots: dict[int, list[WebSocketConnection]] = {}
        self._slot = 0
        self._task: PeriodicTask | None = None

    def start(self) -> None:
        """Check connections from now on."""
        self._slot = self._slot_at(asyncio.get_running_loop().time())
        self._task = PeriodicTask(self._step, "keepalive")

    async def close(self) -> None:
        """Stop checking connections."""
        if self._task is not None:
            await self._task.stop()

    def add(self, connection: WebSocketConnection, silence_s: float = 0.0) -> None:
        """Ping a connection until it ends.

        silence_s: how long a peer may be silent that has never answered a ping.
        """
        connection.silence_s = silence_s
        self._schedule(connection, asyncio.get_running_loop().time() + self._interval_s)

    def _schedule(self, connection: WebSocketConnection, at: float) -> None:
        slot = max(self._slot_at(at), self._slot + 1)
        self._slots.setdefault(slot, []).append(connection)

    def _slot_at(self, at: float) -> int:
        return math.ceil(at / self._slot_s)

    async def _step(self) -> float:
        now = asyncio.get_running_loop().time()
        current = math.floor(now / self._slot_s)
        while self._slot < current:
            connections = self._slots.get(self._slot + 1, [])
            # Removed one by one: an exception from one of them must not cost the others their pings.
            while connections:
                connection = connections.pop()
                wait_s = connection.keep_alive(self._interval_s, self._timeout_s)
                if wait_s is not None:
                    self._schedule(connection, now + wait_s)
            self._slot += 1
            self._slots.pop(self._slot, None)
        return (current + 1) * self._slot_s - now
