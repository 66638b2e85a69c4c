"""Asks charge points for their state after a login without a boot.

A worker keeps a bounded queue of logins. Each waits for `state_request_delay_s`: a charge point that boots
reports its state by itself (OCPP 1.6 4.2, errata 3.19). Few charge points are asked at a time, all share one
token bucket, and each has at most one command of ours, which is sent only while no other one is under way: so
a command of an operator never waits behind more than the one CALL that is out.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from app.commands.owner import CommandSessions
from app.connection import Connection
from app.metrics import LIMITS_HIT
from app.settings import Settings
from app.state_requests.interview import Interview
from app.state_requests.records import SILENT_KEYS_ISSUER
from app.state_requests.silent_keys import SilentKeyQueue
from app.tasks import BackgroundTasks, PeriodicTask
from app.types import TenantId

_MOST_AT_ONCE: Final = 16
"""Charge points that are asked at the same time."""
_LONGEST_PAUSE_S: Final = 0.5

InterviewMaker = Callable[[Connection], Interview]


@dataclass(slots=True)
class _Waiting:
    connection: Connection
    due_s: float


class StateRequester:
    """The queue of one worker. `main` gives `logged_in` to the gateway."""

    def __init__(
        self,
        settings: Settings,
        sessions: CommandSessions,
        silent_keys: SilentKeyQueue,
        interview: InterviewMaker,
    ) -> None:
        self._is_on = settings.state_requests
        self._delay_s = settings.state_request_delay_s
        self._limit = settings.state_request_queue_limit
        self._sessions = sessions
        self._silent_keys = silent_keys
        self._interview = interview
        self._waiting: dict[tuple[TenantId, str], _Waiting] = {}
        self._rests: deque[tuple[float, Interview]] = deque()
        self._running = 0
        self._tasks = BackgroundTasks()
        self._loop: PeriodicTask | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self) -> None:
        """Ask the charge points that wait, from now on."""
        self._loop = PeriodicTask(self._step, "state_requests")

    async def close(self) -> None:
        """Stop asking. Commands that are under way end as any other."""
        loop, self._loop = self._loop, None
        if loop is not None:
            await loop.stop()
        await self._tasks.close()

    def logged_in(self, connection: Connection) -> None:
        """Let a charge point wait to be asked, in the place of an earlier login of it."""
        if not self._is_on or connection.habits.state_after_login == "nothing":
            return
        key = (connection.tenant_id, connection.identity)
        self._waiting.pop(key, None)
        if len(self._waiting) >= self._limit:
            LIMITS_HIT.labels("state_requests").inc()
            return
        due_s = asyncio.get_running_loop().time() + self._delay_s
        self._waiting[key] = _Waiting(connection, due_s)

    async def _step(self) -> float:
        self._fill()
        return min(_LONGEST_PAUSE_S, max(self._delay_s / 5, 0.02))

    def _fill(self) -> None:
        """Start as many interviews as may run: silent keys, then what was begun before, then new ones."""
        now = asyncio.get_running_loop().time()
        while self._running < _MOST_AT_ONCE and (wanted := self._silent_keys.take()) is not None:
            session = self._sessions.get(wanted.tenant_id, wanted.identity)
            if session is not None:
                interview = self._interview(session.connection)
                self._spawn(partial(interview.configuration, wanted.keys, SILENT_KEYS_ISSUER))
        while self._running < _MOST_AT_ONCE and self._rests and self._rests[0][0] <= now:
            self._spawn(self._rests.popleft()[1].rest)
        while self._running < _MOST_AT_ONCE and (connection := self._next(now)) is not None:
            self._spawn(partial(self._first, self._interview(connection)))

    async def _first(self, interview: Interview) -> None:
        """Ask the first questions. The rest waits, without a task, until there was time to report."""
        if not await interview.state():
            return
        if len(self._rests) >= self._limit:
            LIMITS_HIT.labels("state_requests").inc()
        else:
            self._rests.append((asyncio.get_running_loop().time() + self._delay_s, interview))

    def _next(self, now: float) -> Connection | None:
        """Return the next charge point that has to be asked. Those that have booted or left are forgotten."""
        while self._waiting:
            key, waiting = next(iter(self._waiting.items()))
            if waiting.due_s > now:
                return None
            del self._waiting[key]
            if self._is_to_be_asked(waiting.connection):
                return waiting.connection
        return None

    def _is_to_be_asked(self, connection: Connection) -> bool:
        """Tell whether a login is the newest of its charge point, accepted, and without a boot."""
        session = self._sessions.get(connection.tenant_id, connection.identity)
        is_newest = session is not None and session.connection is connection
        return is_newest and not connection.booted and connection.registration_status == "Accepted"

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._running += 1
        self._tasks.spawn(self._counted(work), "state_request")

    async def _counted(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        finally:
            self._running -= 1
            if self._loop is not None:
                self._fill()
