"""Lets logins without tokens be judged at a bounded rate, so that a right credential gets in all the same."""

import asyncio
from collections import OrderedDict, deque
from typing import Final

from app.gateway.limiter import Pair

TURNS_PER_S: Final = 20.0
TURN_WAIT_S: Final = 2.0
"""Seconds that a login waits for its turn."""

_RANKS: Final = 3
_WAITING_LIMIT: Final = 300
_OF_PAIR_LIMIT: Final = 5
_FAIR_EVERY: Final = 4
"""Each fourth turn goes to the last rank that waits, so that the first ones cannot use up all."""

_Queue = OrderedDict[Pair, deque["asyncio.Future[bool]"]]


class LoginTurns:
    """The turns of one worker. Within a rank, each pair of address and identity has one turn at a time."""

    def __init__(self, per_s: float = TURNS_PER_S, wait_s: float = TURN_WAIT_S) -> None:
        self._interval_s = 1.0 / per_s
        self._wait_s = wait_s
        self._queues: tuple[_Queue, ...] = tuple(OrderedDict() for _ in range(_RANKS))
        self._next_at = 0.0
        self._given = 0
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, pair: Pair, rank: int) -> bool:
        """Wait for a turn. Return False if there is none in time, or too many wait.

        rank: 0 is served first.
        """
        loop = asyncio.get_running_loop()
        if self._timer is None and loop.time() >= self._next_at:
            self._next_at = loop.time() + self._interval_s
            return True
        waiting = sum(len(queue) for queue in self._queues)
        queue = self._queues[rank]
        mine = queue.get(pair)
        if waiting >= _WAITING_LIMIT or (mine is not None and len(mine) >= _OF_PAIR_LIMIT):
            return False
        turn: asyncio.Future[bool] = loop.create_future()
        queue.setdefault(pair, deque()).append(turn)
        if self._timer is None:
            self._timer = loop.call_at(self._next_at, self._give, loop)
        expiry = loop.call_later(self._wait_s, _expire, turn)
        try:
            return await turn
        finally:
            expiry.cancel()
            if (mine := queue.get(pair)) is not None and turn in mine:
                mine.remove(turn)

    def _give(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give one turn, and set the timer for the next."""
        self._timer = None
        turn = self._pop()
        if turn is None:
            return
        turn.set_result(True)
        self._given += 1
        self._next_at = max(self._next_at + self._interval_s, loop.time())
        self._timer = loop.call_at(self._next_at, self._give, loop)

    def _pop(self) -> "asyncio.Future[bool] | None":
        is_fair = self._given % _FAIR_EVERY == _FAIR_EVERY - 1
        for queue in reversed(self._queues) if is_fair else self._queues:
            while queue:
                pair, turns = queue.popitem(last=False)
                while turns and turns[0].done():
                    turns.popleft()
                if not turns:
                    continue
                turn = turns.popleft()
                if turns:
                    queue[pair] = turns
                return turn
        return None


def _expire(turn: "asyncio.Future[bool]") -> None:
    if not turn.done():
        turn.set_result(False)
