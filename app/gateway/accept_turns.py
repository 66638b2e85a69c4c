"""Lets new connections be read at a bounded rate, so that charge points are served meanwhile.

While many wait, the addresses take turns: who opens one connection does not wait behind who opens thousands.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

_BURST_S: Final = 0.5
"""Seconds of turns that may be taken at once."""

Read = Callable[[], bool]
"""Begins to read a connection. Returns False if that has ended, so that the turn is left for another one."""


class AcceptTurns:
    """The turns of one worker."""

    def __init__(self, per_s: float) -> None:
        self._interval_s = 1.0 / per_s
        self._waiting: OrderedDict[str, deque[Read]] = OrderedDict()
        self._next_at = 0.0

    def take(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Take a turn now. Return False if others wait, or too many were taken."""
        now = loop.time()
        self._next_at = max(self._next_at, now - _BURST_S)
        if self._waiting or self._next_at > now:
            return False
        self._next_at += self._interval_s
        return True

    def wait(self, loop: asyncio.AbstractEventLoop, address: str, read: Read) -> None:
        """Call `read` at the next turn of an address."""
        if not self._waiting:
            loop.call_at(self._next_at, self._give, loop)
        self._waiting.setdefault(address, deque()).append(read)

    def _give(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the turns that have come, and wait for the next one."""
        now = loop.time()
        self._next_at = max(self._next_at, now - _BURST_S)
        while self._waiting and self._next_at <= now:
            address, reads = self._waiting.popitem(last=False)
            is_taken = False
            # Connections that have ended take no turn, so they must not wait for one either: an address may
            # bring them faster than its turns come.
            while reads and not is_taken:
                is_taken = reads.popleft()()
            if reads:
                self._waiting[address] = reads
            if is_taken:
                self._next_at += self._interval_s
        if self._waiting:
            loop.call_at(self._next_at, self._give, loop)
