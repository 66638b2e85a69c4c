"""What a worker remembers of the commands that pass through it, in memory only; the record is in the
database.

`Custody` is the side of the worker that holds the socket, `Routes` that of the worker that issued the
command, `Waiters` whoever waits for an end on this worker.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.commands.records import CommandRecord, SentFacts
from app.live.envelopes import CallEnvelope
from app.types import CommandId, TenantId, WorkerId


@dataclass(slots=True)
class Held:
    """A command that this worker has given to a session. deadline: POSIX seconds by which it must have been
    sent.

    sent_s: when it went out, monotonic; None while it waits in the link's queue. sent: the same, as it is
    recorded.
    """

    command_id: CommandId
    tenant_id: TenantId
    identity: str
    action: str
    issuer: WorkerId
    deadline: float
    sent_s: float | None = None
    sent: SentFacts | None = None


class Custody:
    """Commands of the sessions of this worker, and those that were here lately: none is sent twice."""

    def __init__(self) -> None:
        self._held: dict[CommandId, Held] = {}
        self._seen: dict[CommandId, float] = {}

    def admit(self, command_id: CommandId, deadline: float, now: float) -> bool:
        """Note that a command has come; False when it has come before. now, deadline: POSIX seconds.

        After its deadline a command is not sent any more, so this need not be remembered longer.
        """
        # Deadlines grow with the order of arrival, but for some seconds of clock difference.
        while self._seen and self._seen[oldest := next(iter(self._seen))] < now:
            del self._seen[oldest]
        if command_id in self._seen:
            return False
        self._seen[command_id] = deadline
        return True

    def hold(self, envelope: CallEnvelope) -> Held:
        """Take a command into custody, before it is given to its session."""
        held = Held(
            envelope.command_id,
            envelope.tenant_id,
            envelope.identity,
            envelope.action,
            envelope.issuer,
            envelope.deadline,
        )
        self._held[held.command_id] = held
        return held

    def get(self, command_id: CommandId) -> Held | None:
        """Return a command that has not ended."""
        return self._held.get(command_id)

    def end(self, command_id: CommandId) -> Held | None:
        """Let go of a command that has ended."""
        return self._held.pop(command_id, None)

    def overdue(self, now: float) -> list[Held]:
        """Return the commands that were not sent by their deadline. now: POSIX seconds."""
        return [held for held in self._held.values() if held.sent_s is None and held.deadline < now]


@dataclass(slots=True)
class Route:
    """A command on its way from this worker. rerouted: its owner has been looked up anew once."""

    envelope: CallEnvelope
    worker: WorkerId
    rerouted: bool = False


class Routes:
    """Commands that this worker issued and whose session may turn out to have moved."""

    def __init__(self) -> None:
        self._routes: dict[CommandId, Route] = {}

    def put(self, route: Route, now: float) -> None:
        """Remember a command until it ends; forget those whose deadline is past. now: POSIX seconds."""
        while self._routes and self._routes[oldest := next(iter(self._routes))].envelope.deadline < now:
            del self._routes[oldest]
        self._routes[route.envelope.command_id] = route

    def get(self, command_id: CommandId) -> Route | None:
        """Return a command that has not ended, as far as this worker knows."""
        return self._routes.get(command_id)

    def end(self, command_id: CommandId) -> None:
        """Forget a command."""
        self._routes.pop(command_id, None)


class Waiter:
    """Somebody who waits for the end of a command. ended: the command, when this worker has ended it."""

    __slots__ = ("_event", "ended")

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.ended: CommandRecord | None = None

    def wake(self, ended: CommandRecord | None) -> None:
        """Tell that there is something to look at. ended: what, if it is known already."""
        self.ended = self.ended or ended
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Wait to be woken, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()


class Waiters:
    """Who waits on this worker for the end of a command."""

    def __init__(self) -> None:
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)

    @contextmanager
    def waiting(self, command_id: str) -> Iterator[Waiter]:
        """Wait for the end of a command from here on."""
        waiter = Waiter()
        waiters = self._waiters[command_id]
        waiters.add(waiter)
        try:
            yield waiter
        finally:
            waiters.discard(waiter)
            if not waiters:
                self._waiters.pop(command_id, None)

    def wake(self, command_id: str, ended: CommandRecord | None = None) -> None:
        """Tell all who wait for a command to look at its record, or what they would find there."""
        for waiter in self._waiters.get(command_id, ()):
            waiter.wake(ended)
