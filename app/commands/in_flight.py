"""The commands that a worker remembers until they end, in memory only; the record is in the database.

`OwnedCommands` belongs to the worker that owns the session, `IssuedCommands` to the worker that issued the
command, `Waiters` to every worker on which a caller waits for an end. `encoded_end` and `decoded_end`
bring that end from one worker to another.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from app.commands.awaited import Expectation
from app.commands.records import CommandRecord, SentFacts
from app.live.envelopes import CallEnvelope, DoneEnvelope
from app.tracing.spans import CallSpan
from app.types import CommandId, TenantId, WorkerId

_ENDED_LIMIT_BYTES: Final = 16_384
"""A longer end, a whole configuration for instance, does not go over the bus: the waiting worker reads it."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(CommandRecord)


@dataclass(slots=True)
class OwnedCommand:
    """A command that this worker has given to a session.

    until_s: when it must have been sent; sent_s: when it was sent, None while it waits in the link's queue;
    both monotonic. sent: the same as it is recorded. expectation: the message that it leads to, if any;
    has_waited: it is one of those that wait in the database until they can be sent. span: if it is traced.
    """

    command_id: CommandId
    tenant_id: TenantId
    identity: str
    issuer: WorkerId
    until_s: float
    has_effects: bool
    action: str
    timeout_s: float
    expectation: Expectation | None = None
    has_waited: bool = False
    sent_s: float | None = None
    sent: SentFacts | None = None
    span: CallSpan | None = None


class OwnedCommands:
    """The commands of this worker's sessions. It remembers ended ones for a while, so none is sent twice."""

    def __init__(self) -> None:
        self._owned: dict[CommandId, OwnedCommand] = {}
        self._seen: dict[tuple[CommandId, int], float] = {}

    def admit(self, command_id: CommandId, until_s: float, now: float, epoch: int = 0) -> bool:
        """Note that a command has arrived; False: it has arrived before. now, until_s: monotonic.

        A command is not sent after its deadline, so it is remembered until then. epoch: of the session that
        it is for, because a command that was not sent may come again for another one.
        """
        # Deadlines grow with the order of arrival, except for the time that some were under way.
        while self._seen and self._seen[oldest := next(iter(self._seen))] < now:
            del self._seen[oldest]
        if (command_id, epoch) in self._seen:
            return False
        self._seen[command_id, epoch] = until_s
        return True

    def has_come(self, command_id: CommandId, epoch: int) -> bool:
        """Tell whether a command has arrived for a session before."""
        return (command_id, epoch) in self._seen

    def add(self, envelope: CallEnvelope, now: float, expectation: Expectation | None = None) -> OwnedCommand:
        """Remember a command until it ends; called before it is given to its session."""
        owned = OwnedCommand(
            command_id=envelope.command_id,
            tenant_id=envelope.tenant_id,
            identity=envelope.identity,
            issuer=envelope.issuer,
            until_s=now + envelope.life_s,
            has_effects=envelope.has_effects,
            action=envelope.action,
            timeout_s=envelope.timeout_s,
            expectation=expectation,
            has_waited=envelope.has_waited,
        )
        self._owned[owned.command_id] = owned
        return owned

    def get(self, command_id: CommandId) -> OwnedCommand | None:
        """Return a command that has not ended."""
        return self._owned.get(command_id)

    def end(self, command_id: CommandId, state: str) -> OwnedCommand | None:
        """Forget a command that has ended, and return it. state: in which it ended."""
        owned = self._owned.pop(command_id, None)
        if owned is not None and owned.span is not None:
            owned.span.end(state)
        return owned

    def overdue(self, now: float) -> list[OwnedCommand]:
        """Return the commands that were not sent by their deadline. now: monotonic."""
        return [owned for owned in self.unsent() if owned.until_s < now]

    def has_any(self, tenant_id: TenantId, identity: str) -> bool:
        """Tell whether a command of a charge point has not ended."""
        place = (tenant_id, identity)
        return any((owned.tenant_id, owned.identity) == place for owned in self._owned.values())

    def unsent(self) -> list[OwnedCommand]:
        """Return the commands that wait in the queue of a link."""
        return [owned for owned in self._owned.values() if owned.sent_s is None]


@dataclass(slots=True)
class IssuedCommand:
    """A command that this worker has sent to the owner of a session.

    until_s: its deadline, monotonic; rerouted: it was sent to a second owner already.
    """

    envelope: CallEnvelope
    worker: WorkerId
    until_s: float
    rerouted: bool = False


class IssuedCommands:
    """The commands that this worker issued and whose session may have moved to another worker."""

    def __init__(self) -> None:
        self._issued: dict[CommandId, IssuedCommand] = {}

    def add(self, issued: IssuedCommand, now: float) -> None:
        """Remember a command until it ends; forget those whose deadline is past. now: monotonic."""
        while self._issued and self._issued[oldest := next(iter(self._issued))].until_s < now:
            del self._issued[oldest]
        self._issued[issued.envelope.command_id] = issued

    def get(self, command_id: CommandId) -> IssuedCommand | None:
        """Return a command that has not ended, as far as this worker knows."""
        return self._issued.get(command_id)

    def end(self, command_id: CommandId) -> None:
        """Forget a command."""
        self._issued.pop(command_id, None)


class Waiter:
    """One wait for the end of a command. ended: the command, once this worker knows its end."""

    __slots__ = ("_event", "ended")

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.ended: CommandRecord | None = None

    def wake(self, ended: CommandRecord | None) -> None:
        """Say that the record may have changed. ended: the command, if its end is known already."""
        self.ended = self.ended or ended
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until `wake` is called, up to `seconds`; tell whether it was."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Waiters:
    """The waits of this worker, by command."""

    def __init__(self) -> None:
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)

    @contextmanager
    def waiting(self, command_id: str) -> Iterator[Waiter]:
        """Register a wait for the end of a command, inside the block."""
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
        """Wake every wait for a command. ended: the command, if its end is known."""
        for waiter in self._waiters.get(command_id, ()):
            waiter.wake(ended)


def encoded_end(ended: CommandRecord) -> bytes | None:
    """Return a command for an envelope, without the hash of a credential; None: it is too long for one."""
    body = _ENCODER.encode(replace(ended, credential_hash=None))
    return body if len(body) <= _ENDED_LIMIT_BYTES else None


def decoded_end(envelope: DoneEnvelope) -> CommandRecord | None:
    """Return the command in an envelope; None: it holds none, or one of another version of the server."""
    if envelope.ended is None:
        return None
    try:
        ended = _DECODER.decode(envelope.ended)
    except msgspec.MsgspecError:
        return None
    is_meant = (str(ended.id), ended.tenant_id) == (envelope.command_id, envelope.tenant_id)
    return ended if is_meant else None
