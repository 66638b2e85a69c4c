"""Lets new connections be read at a bounded rate, so that charge points are served meanwhile.

While many wait, the addresses take turns: who opens one connection does not wait behind who opens thousands.
"""

import asyncio
from collections import OrderedDict, deque
from typing import Final, Protocol

_BURST_S: Final = 0.5
"""Seconds of turns that may be taken at once."""

_LOOKS: Final = 64
"""Connections that are looked at in one step of the event loop."""


class Newcomer(Protocol):
    """A connection that was accepted and has not been read."""

    def begin(self) -> bool:
        """Read it from now on. Return False if it has ended, so that the turn is left for another one."""

    def refuse(self) -> None:
        """Close it, because too many wait."""

    def close(self) -> None:
        """Close it, because the worker stops."""


class AcceptTurns:
    """The turns of one worker."""

    def __init__(self, per_s: float, crowd: int) -> None:
        """crowd: an address of which more connections wait gives way to the others."""
        self._interval_s = 1.0 / per_s
        self._crowd = crowd
        self._waiting: OrderedDict[str, deque[Newcomer]] = OrderedDict()
        self._crowds: dict[str, None] = {}
        self._count = 0
        self._next_at = 0.0

    def __len__(self) -> int:
        """Return how many connections wait."""
        return self._count

    def come(self, loop: asyncio.AbstractEventLoop, address: str, newcomer: Newcomer, room: int) -> bool:
        """Begin a connection, or let it wait for a turn of its address. Return whether it had its turn.

        room: how many may wait. If there are more, the oldest one of a crowd is refused; without a crowd it
        is the newcomer.
        """
        now = loop.time()
        self._next_at = max(self._next_at, now - _BURST_S)
        if not self._waiting and self._next_at <= now:
            self._next_at += self._interval_s * newcomer.begin()
            return True
        if self._count >= room:
            crowd = address if address in self._crowds else next(iter(self._crowds), None)
            if crowd is None:
                newcomer.refuse()
                return False
            self._pop(crowd).refuse()
        if not self._waiting:
            loop.call_at(self._next_at, self._give, loop)
        of_address = self._waiting.setdefault(address, deque())
        of_address.append(newcomer)
        self._count += 1
        if len(of_address) > self._crowd:
            self._crowds[address] = None
        return False

    def close_all(self) -> None:
        """Close those that wait."""
        while self._waiting:
            self._pop(next(iter(self._waiting))).close()

    def _give(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the turns that have come, and wait for the next one."""
        now = loop.time()
        self._next_at = max(self._next_at, now - _BURST_S)
        try:
            self._give_until(now)
        finally:
            # Also after a defect of one connection, which must not end the turns of all.
            if self._waiting:
                loop.call_at(max(now, self._next_at), self._give, loop)

    def _give_until(self, now: float) -> None:
        looks = 0
        while self._waiting and self._next_at <= now and looks < _LOOKS:
            address = next(iter(self._waiting))
            # Connections that have ended take no turn, so they must not wait for one either: an address may
            # bring them faster than its turns come.
            is_begun = False
            while not is_begun and address in self._waiting and looks < _LOOKS:
                is_begun = self._pop(address).begin()
                looks += 1
            if is_begun:
                self._next_at += self._interval_s
                if address in self._waiting:
                    self._waiting.move_to_end(address)

    def _pop(self, address: str) -> Newcomer:
        """Take the oldest connection of an address that has one."""
        of_address = self._waiting[address]
        newcomer = of_address.popleft()
        self._count -= 1
        if len(of_address) <= self._crowd:
            self._crowds.pop(address, None)
        if not of_address:
            del self._waiting[address]
        return newcomer
