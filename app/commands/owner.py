"""The worker that owns the socket: it gives commands to sessions and records what becomes of them.

The end of a command is recorded first, together with its effects; then the waiting callers are told. The bus
brings calls and cancellations here. Sessions report what was sent, and how it ended.

`withdraw_overdue` ends a command as `expired` if it was not sent in time. The core's link ends it as
`timed_out` if its answer does not come (`Session.expire_calls`). `reaper` does both if the worker died.
"""

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol
from uuid import UUID

from msgspec import UNSET

from app import ocpp
from app.clock import utc_text
from app.commands.awaited import BOOT, AwaitedMessages, expectation_of
from app.commands.boots import BootObserver
from app.commands.context import CommandContext
from app.commands.endings import CommandEnding, CommandEndings
from app.commands.expected_effects import effect_windows
from app.commands.in_flight import OwnedCommand, OwnedCommands
from app.commands.records import CommandRecord, SentFacts
from app.commands.rules import Actor, Outcome, may_have_effect, outcome_of
from app.commands.store.commands import CommandSteps
from app.connection import Connection
from app.errors import StoreUnavailable
from app.live.envelopes import CallEnvelope, CancelEnvelope, MovedEnvelope
from app.logs import get_logger
from app.metrics import BUS_MESSAGES, COMMAND_SECONDS
from app.tasks import PeriodicTask
from app.tracing.spans import TracedCommand
from app.types import CommandId, TenantId, WorkerId

_ANSWER_SOON_S = 0.05
_TICK_S = 1.0
_CALL_OUTLIVES_S = 600.0
"""A call may arrive this long after a request to cancel it: no call lives longer."""
_PROMPT_S = 5.0
"""A call that was under way for longer may have ended meanwhile, so its record is asked before it is sent."""

_UNTIL_GIVEN_UP_S: Final = 86_400.0
"""Seconds in which a message is awaited, if the table of effects has no window."""

_NO_LEASE: Final = {
    "code": "NotQueued",
    "description": "Redis cannot be reached, so no command waits behind another one.",
}

_LOG = get_logger(__name__)


class CommandSession(Protocol):
    """A session, as far as commands need it. No method awaits: a slow socket must not delay others."""

    @property
    def connection(self) -> Connection:
        """The connection that the session serves."""

    def issue(self, command_id: CommandId, action: str, payload_text: str, timeout_s: float) -> None:
        """Send a CALL or queue it; then `CommandOwner.sent` and `CommandOwner.resolved` are called.

        Raises:
            ValueError: the payload breaks the definition, or the socket is being closed; nothing was queued.
        """

    def withdraw(self, command_id: CommandId) -> bool:
        """Take a CALL out of the queue. False: it was sent, or is not known."""


class CommandLease(Protocol):
    """Says whether other workers know that this one is alive. If not, they may end its commands."""

    def holds_lease(self) -> bool:
        """Tell whether they do."""


class CommandSessions(Protocol):
    """The sessions of this worker."""

    def get(self, tenant_id: TenantId, identity: str) -> CommandSession | None:
        """Return the session of a charge point, if this worker has its newest one."""


class CommandOwner:
    """The commands whose sessions are on this worker."""

    def __init__(self, context: CommandContext, sessions: CommandSessions, lease: CommandLease) -> None:
        self._context = context
        self._lease = lease
        self._steps = context.steps
        self._bus = context.bus
        self._clock = context.clock
        self._sessions = sessions
        self._owned = OwnedCommands()
        self.endings = CommandEndings(context, self._owned)
        """Records the ends. Its listeners are told of each command of this worker that has ended."""
        self._awaited = AwaitedMessages()
        self._boots = BootObserver(context)
        self._windows = effect_windows(context.settings)
        self._ticker: PeriodicTask | None = None

    def start(self) -> None:
        """Withdraw commands that are overdue, every second in the background."""
        self._ticker = PeriodicTask(self._tick, "commands_owner")

    async def close(self) -> None:
        """Stop the ticker. Ends that are being recorded in the background go on."""
        if self._ticker is not None:
            await self._ticker.stop()
            self._ticker = None

    # From the bus

    def call(self, envelope: CallEnvelope) -> None:
        """Give a command to its session. A second delivery of the same envelope has no effect."""
        session = self._session(envelope)
        if session is None:
            # The session of a second delivery may have ended after it has sent the command.
            if not self._owned.has_come(envelope.command_id, envelope.epoch):
                self._spawn_moved(envelope)
            return
        now = self._clock.monotonic()
        # A command that is still owned after its deadline was sent in time: this is a second delivery.
        is_repeated = self._owned.get(envelope.command_id) is not None
        if is_repeated or not self._owned.admit(
            envelope.command_id, now + envelope.life_s, now, envelope.epoch
        ):
            BUS_MESSAGES.labels("ignored", "repeated").inc()
            return
        owned = self._owned.add(envelope, now, expectation_of(envelope.action, envelope.payload))
        if envelope.trace is not UNSET:
            owned.span = self._context.tracing.calling(
                envelope.trace,
                TracedCommand(envelope.action, envelope.command_id, envelope.tenant_id, envelope.identity),
            )
        if envelope.life_s <= 0:
            self._end_soon(owned, Outcome("expired"))
        elif envelope.full_life_s - envelope.life_s > _PROMPT_S:
            self._context.background.spawn(self._issue_if_open(owned, envelope), "command_after_delay")
        else:
            self._issue(owned, session, envelope)

    def cancel(self, envelope: CancelEnvelope) -> None:
        """Take a command out of the queue of its session if it was not sent yet. Always answer the issuer."""
        session = self._session(envelope)
        owned = self._owned.get(envelope.command_id)
        if owned is not None and session is not None:
            withdrawn = owned.sent_s is None and session.withdraw(envelope.command_id)
        else:
            # It is not here. If its call arrives later, it counts as a repetition.
            now = self._clock.monotonic()
            unseen = self._owned.admit(envelope.command_id, now + _CALL_OUTLIVES_S, now, envelope.epoch)
            withdrawn = unseen and session is not None
        self._context.background.spawn(self._answer_cancel(envelope, withdrawn), "command_cancel")

    def withdraw_overdue(self) -> None:
        """Take commands that were not sent in time out of the queues; they end as `expired`.

        Without a lease no command waits: other workers may say that it is lost, so it must not be sent later.
        """
        if not self._lease.holds_lease():
            for owned in self._owned.unsent():
                self._withdraw(owned, Outcome("expired", error=_NO_LEASE))
            return
        for owned in self._owned.overdue(self._clock.monotonic()):
            self._withdraw(owned, Outcome("expired"))

    # From the sessions

    def sent(self, connection: Connection, unique_id: str) -> None:
        """Record in the background that a CALL was sent (the core's `CallSent`); its end records it too."""
        facts = SentFacts(self._bus.worker_id, connection.epoch, self._clock.now())
        owned = self._owned.get(CommandId(unique_id))
        if owned is None:
            recording = self._record_sent(connection.tenant_id, unique_id, facts)
        else:
            owned.sent, owned.sent_s = facts, self._clock.monotonic()
            if owned.span is not None:
                owned.span.note("sent")
            if owned.expectation is not None:
                until_s = owned.sent_s + owned.timeout_s + self._windows.get(owned.action, _UNTIL_GIVEN_UP_S)
                self._awaited.begin(connection, owned.command_id, owned.expectation, until_s)
            recording = self._record_sent_of(owned, facts)
        self._context.background.spawn(recording, "command_sent")

    async def resolved(self, connection: Connection, resolve: ocpp.Resolve) -> None:
        """Record how a CALL ended (the core's `Resolve`); if the database is away, try again later."""
        owned = self._owned.get(CommandId(resolve.unique_id))
        if owned is not None and owned.sent_s is not None and not resolve.late:
            COMMAND_SECONDS.labels(resolve.action).observe(self._clock.monotonic() - owned.sent_s)
            if owned.span is not None:
                owned.span.note("answered")
        sent = None if owned is None else owned.sent
        outcome, command_id = outcome_of(resolve), CommandId(resolve.unique_id)
        may_follow = may_have_effect(outcome.state, outcome.error)
        effect = self._awaited.answered(connection, command_id, may_follow=may_follow)
        may_wait = owned is not None and owned.has_waited and outcome.state == "offline"
        epoch = connection.epoch if may_wait else None
        await self.endings.record(
            CommandEnding(connection.tenant_id, command_id, outcome, "owner", resolve.late, sent, epoch)
        )
        if effect is not None:
            self.endings.observed(connection.tenant_id, command_id, effect)

    def received(self, connection: Connection, call: ocpp.Dispatch) -> None:
        """Note that a charge point has sent a BootNotification, or a message while one of it is awaited.

        What it is the effect of is recorded in the background: its answer does not wait for that.
        """
        at = self._clock.now()
        if call.action == BOOT and not self._awaited.is_trigger_of(connection, call):
            self._boots.note(connection, call.unique_id, at)
        found = self._awaited.received(connection, call, utc_text(at))
        if found is not None:
            self.endings.observed(connection.tenant_id, *found)

    # From the issuer and the reaper of this worker

    async def end(self, tenant_id: TenantId, command_id: str, outcome: Outcome, by: Actor) -> None:
        """End a command that gets no answer. A command that has ended stays as it is."""
        await self.endings.record(CommandEnding(tenant_id, command_id, outcome, by))

    async def announce(
        self,
        tenant_id: TenantId,
        command_id: CommandId,
        workers: Iterable[WorkerId],
        ended: CommandRecord | None = None,
    ) -> None:
        """Tell workers, this one included, to read a command again. ended: the command, if it is known."""
        await self.endings.announce(tenant_id, command_id, workers, ended)

    # How it is done

    def _session(self, envelope: CallEnvelope | CancelEnvelope) -> CommandSession | None:
        session = self._sessions.get(envelope.tenant_id, envelope.identity)
        if session is None or session.connection.epoch != envelope.epoch:
            return None
        return session

    def _spawn_moved(self, envelope: CallEnvelope) -> None:
        """Tell the issuer that the session is not here, so that nothing was sent."""
        moved = MovedEnvelope(
            tenant_id=envelope.tenant_id,
            identity=envelope.identity,
            epoch=envelope.epoch,
            life_s=envelope.life_s,
            issuer=self._bus.worker_id,
            command_id=envelope.command_id,
        )
        self._context.background.spawn(self.endings.report(envelope.issuer, moved), "command_moved")

    def _issue(self, owned: OwnedCommand, session: CommandSession, envelope: CallEnvelope) -> None:
        """Send a command, or let it wait in the queue of its link."""
        try:
            session.issue(envelope.command_id, envelope.action, envelope.payload, envelope.timeout_s)
        except ValueError as error:
            # The issuer has judged the payload. What is left is a full queue, a socket that is being closed,
            # or another version of the definition.
            reason = {"code": "NotQueued", "description": str(error)}
            self._end_soon(owned, Outcome("expired", error=reason))
        else:
            if not self._lease.holds_lease():
                # It is False if it went out at once.
                self._withdraw(owned, Outcome("expired", error=_NO_LEASE))

    async def _issue_if_open(self, owned: OwnedCommand, envelope: CallEnvelope) -> None:
        """Send a command that was long under way, unless it has ended meanwhile."""
        facts = SentFacts(self._bus.worker_id, envelope.epoch, self._clock.now())
        try:
            is_open = await CommandSteps(self._steps.of(owned.tenant_id), owned.tenant_id).sent(
                UUID(owned.command_id), facts
            )
        except StoreUnavailable:
            is_open = False
        session = self._session(envelope)
        if is_open and session is not None:
            self._issue(owned, session, envelope)
        else:
            # If it has not ended, it was certainly not sent.
            await self.end(owned.tenant_id, owned.command_id, Outcome("expired"), "owner")

    def _withdraw(self, owned: OwnedCommand, outcome: Outcome) -> None:
        session = self._sessions.get(owned.tenant_id, owned.identity)
        if session is not None and session.withdraw(owned.command_id):
            self._end_soon(owned, outcome)

    def is_busy(self, tenant_id: TenantId, identity: str) -> bool:
        """Tell whether a command of a charge point of this worker has not ended."""
        return self._owned.has_any(tenant_id, identity)

    def connection(self, tenant_id: TenantId, identity: str) -> Connection | None:
        """Return the connection of a charge point, if this worker has its newest one."""
        session = self._sessions.get(tenant_id, identity)
        return None if session is None else session.connection

    def _is_open(self, connection: Connection) -> bool:
        return self.connection(connection.tenant_id, connection.identity) is connection

    def owns(self, command_id: CommandId) -> bool:
        """Tell whether this worker will record the end of a command."""
        return self._owned.get(command_id) is not None

    def _end_soon(self, owned: OwnedCommand, outcome: Outcome) -> None:
        ending = self.end(owned.tenant_id, owned.command_id, outcome, "owner")
        self._context.background.spawn(ending, "command_end")

    async def _answer_cancel(self, envelope: CancelEnvelope, withdrawn: bool) -> None:
        if withdrawn:
            await self.end(envelope.tenant_id, envelope.command_id, Outcome("cancelled"), "owner")
        await self.announce(envelope.tenant_id, envelope.command_id, [envelope.issuer])

    async def _record_sent_of(self, owned: OwnedCommand, facts: SentFacts) -> None:
        if not owned.has_effects and not owned.has_waited:
            # Most answers arrive within milliseconds, and the end records the same: that saves a write. With
            # effects, others look for commands that were sent and may change something.
            await asyncio.sleep(_ANSWER_SOON_S)
            if self._owned.get(owned.command_id) is not owned:
                return
        await self._record_sent(owned.tenant_id, owned.command_id, facts)

    async def _record_sent(self, tenant_id: TenantId, unique_id: str, facts: SentFacts) -> None:
        try:
            await CommandSteps(self._steps.of(tenant_id), tenant_id).sent(UUID(unique_id), facts)
        except StoreUnavailable:
            # Its end matters more, and that is tried until it is recorded.
            _LOG.warning("command_sent_not_recorded", command=unique_id)

    async def _tick(self) -> float:
        self.withdraw_overdue()
        self._awaited.expire(self._clock.monotonic(), self._is_open)
        return _TICK_S
