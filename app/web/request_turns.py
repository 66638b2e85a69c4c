"""Requests of one caller wait for each other, so that others, and charge points, are served meanwhile.

A worker answers a few requests of a caller at the same time. A request that takes long, because it waits for
a charge point or sends a stream, has its place for a moment only.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_AT_ONCE: Final = 8
"""Requests of one caller that are answered at the same time. More would wait for each other elsewhere."""

_LENT_S: Final = 0.05
"""Seconds for which a request has its place at most. An answer that takes longer waits for something."""


@dataclass(slots=True)
class _Places:
    """Those of one caller. taken: how many; waiting: who wants one, in the order in which they came."""

    taken: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class RequestTurns:
    """The requests of a worker, by caller."""

    def __init__(self) -> None:
        self._callers: dict[str, _Places] = {}

    def __len__(self) -> int:
        """Return how many callers have requests now."""
        return len(self._callers)

    async def take(self, caller: str) -> Callable[[], None]:
        """Wait for a place of a caller. Return what gives it back; to call that again does nothing."""
        places = self._callers.setdefault(caller, _Places())
        loop = asyncio.get_running_loop()
        if places.taken < _AT_ONCE:
            places.taken += 1
        else:
            turn = loop.create_future()
            places.waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    # The place has come in the same moment.
                    self._pass_on(caller)
                raise
        is_held = True

        def give_back() -> None:
            nonlocal is_held
            if is_held:
                is_held = False
                timer.cancel()
                self._pass_on(caller)

        timer = loop.call_later(_LENT_S, give_back)
        return give_back

    def _pass_on(self, caller: str) -> None:
        """Give a place to the next one who waits."""
        places = self._callers[caller]
        while places.waiting:
            turn = places.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        places.taken -= 1
        if not places.taken:
            del self._callers[caller]
