"""The worker that owns the socket: it gives commands to sessions and records what becomes of them.

The end of a command is recorded first, together with its effects; then the waiting callers are told. The bus
brings calls and cancellations here. Sessions report what was sent, and how it ended.

`withdraw_overdue` ends a command as `expired` if it was not sent in time. The core's link ends it as
`timed_out` if its answer does not come (`Session.expire_calls`). `reaper` does both if the worker died.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from app import ocpp
from app.clock import Clock
from app.commands.effects import CommandEffects
from app.commands.in_flight import OwnedCommand, OwnedCommands, Waiters, encoded_end
from app.commands.records import CommandRecord, SentFacts
from app.commands.rules import Actor, Outcome, outcome_of
from app.commands.store.commands import CommandSteps, CommandStore, End
from app.connection import Connection
from app.database.database import Database
from app.database.prepared import Prepared
from app.errors import StoreUnavailable, Unavailable
from app.live.command_bus import CommandBus
from app.live.envelopes import CallEnvelope, CancelEnvelope, DoneEnvelope, MovedEnvelope
from app.logs import get_logger
from app.metrics import BUS_MESSAGES, COMMAND_SECONDS, COMMANDS_FINISHED
from app.settings import Settings
from app.tasks import BackgroundTasks, PeriodicTask
from app.types import CommandId, TenantId, WorkerId

_RETRY_S = 2.0
_RETRIES = 60
"""Tries to record an end while the database is away: two minutes; after that the reaper ends the command."""

_REPORT_LIFE_S = 60.0
_ANSWER_SOON_S = 0.05
_TICK_S = 1.0
_CALL_OUTLIVES_S = 600.0
"""A call may arrive this long after a request to cancel it: no call lives longer."""
_PROMPT_S = 5.0
"""A call that was under way for longer may have ended meanwhile, so its record is asked before it is sent."""

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


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The collaborators that the issuing and the owning side share in one worker.

    protocol: the version of OCPP that judges commands.
    """

    database: Database
    steps: Prepared
    bus: CommandBus
    effects: CommandEffects
    protocol: ocpp.Protocol
    clock: Clock
    settings: Settings
    waiters: Waiters = field(default_factory=Waiters)
    background: BackgroundTasks = field(default_factory=BackgroundTasks)


@dataclass(frozen=True, slots=True)
class _Ending:
    tenant_id: TenantId
    command_id: str
    outcome: Outcome
    by: Actor
    is_late: bool = False
    sent: SentFacts | None = None


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
            self._spawn_moved(envelope)
            return
        now = self._clock.monotonic()
        # A command that is still owned after its deadline was sent in time: this is a second delivery.
        is_repeated = self._owned.get(envelope.command_id) is not None
        if is_repeated or not self._owned.admit(envelope.command_id, now + envelope.life_s, now):
            BUS_MESSAGES.labels("ignored", "repeated").inc()
            return
        owned = self._owned.add(envelope, now)
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
            unseen = self._owned.admit(envelope.command_id, now + _CALL_OUTLIVES_S, now)
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
            recording = self._record_sent_of(owned, facts)
        self._context.background.spawn(recording, "command_sent")

    async def resolved(self, connection: Connection, resolve: ocpp.Resolve) -> None:
        """Record how a CALL ended (the core's `Resolve`); if the database is away, try again later."""
        owned = self._owned.get(CommandId(resolve.unique_id))
        if owned is not None and owned.sent_s is not None and not resolve.late:
            COMMAND_SECONDS.labels(resolve.action).observe(self._clock.monotonic() - owned.sent_s)
        sent = None if owned is None else owned.sent
        outcome = outcome_of(resolve)
        await self._record_or_retry(
            _Ending(connection.tenant_id, resolve.unique_id, outcome, "owner", resolve.late, sent)
        )

    # From the issuer and the reaper of this worker

    async def end(self, tenant_id: TenantId, command_id: str, outcome: Outcome, by: Actor) -> None:
        """End a command that gets no answer. A command that has ended stays as it is."""
        await self._record_or_retry(_Ending(tenant_id, command_id, outcome, by))

    async def announce(
        self,
        tenant_id: TenantId,
        command_id: CommandId,
        workers: Iterable[WorkerId],
        ended: CommandRecord | None = None,
    ) -> None:
        """Tell workers, this one included, to read a command again. ended: the command, if it is known."""
        self._context.waiters.wake(command_id, ended)
        for worker in workers:
            elsewhere = ended if worker != self._bus.worker_id else None
            await self._report(
                worker,
                DoneEnvelope(
                    tenant_id=tenant_id,
                    identity="",
                    epoch=0,
                    life_s=_REPORT_LIFE_S,
                    issuer=self._bus.worker_id,
                    command_id=command_id,
                    ended=None if elsewhere is None else encoded_end(elsewhere),
                ),
            )

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
        self._context.background.spawn(self._report(envelope.issuer, moved), "command_moved")

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
            is_open = await CommandSteps(self._steps.rows, owned.tenant_id).sent(
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
        if not owned.has_effects:
            # Most answers arrive within milliseconds, and the end records the same: that saves a write. With
            # effects, others look for commands that were sent and may change something.
            await asyncio.sleep(_ANSWER_SOON_S)
            if self._owned.get(owned.command_id) is not owned:
                return
        await self._record_sent(owned.tenant_id, owned.command_id, facts)

    async def _record_sent(self, tenant_id: TenantId, unique_id: str, facts: SentFacts) -> None:
        try:
            await CommandSteps(self._steps.rows, tenant_id).sent(UUID(unique_id), facts)
        except StoreUnavailable:
            # Its end matters more, and that is tried until it is recorded.
            _LOG.warning("command_sent_not_recorded", command=unique_id)

    async def _record_or_retry(self, ending: _Ending) -> None:
        try:
            await self._record_end(ending)
        except StoreUnavailable:
            _LOG.warning("command_end_delayed", command=ending.command_id)
            self._context.background.spawn(self._record_again(ending), "command_record")

    async def _record_again(self, ending: _Ending) -> None:
        for _ in range(_RETRIES):
            await asyncio.sleep(_RETRY_S)
            try:
                await self._record_end(ending)
            except StoreUnavailable:
                continue
            return
        _LOG.error("command_end_lost", command=ending.command_id, state=ending.outcome.state)
        # The reaper ends it.
        self._owned.end(CommandId(ending.command_id))

    async def _record_end(self, ending: _Ending) -> None:
        now, ended = self._clock.now(), None
        if not ending.is_late:
            steps = CommandSteps(self._steps.rows, ending.tenant_id)
            ended = await _finish(steps, ending, now, only_without_effects=True)
        if ended is None:
            ended = await self._record_with_effects(ending, now)
        if ended is not None:
            COMMANDS_FINISHED.labels(ended.state).inc()
        owned = self._owned.end(CommandId(ending.command_id))
        if owned is not None:
            await self.announce(owned.tenant_id, owned.command_id, [owned.issuer], ended)
        else:
            self._context.waiters.wake(ending.command_id, ended)

    async def _record_with_effects(self, ending: _Ending, now: datetime) -> CommandRecord | None:
        """Record an end together with its effects, or an answer that came after the end."""
        outcome, command_id, ended = ending.outcome, UUID(ending.command_id), None
        async with self._context.database.tenant(ending.tenant_id) as work:
            if not ending.is_late:
                ended = await _finish(CommandSteps(work.rows, work.tenant_id), ending, now)
            command = ended or await CommandStore(work).get(command_id)
            if command is None:
                return None
            # It has ended with this very outcome if only the confirmation of the database was lost.
            if ended is None and outcome.answered and not outcome.is_end_of(command):
                await CommandStore(work).late(command_id, outcome.late_result)
            if ended is not None or outcome.answered:
                await self._context.effects.apply(work, command, outcome, now)
        return ended

    async def _report(self, worker: WorkerId, envelope: DoneEnvelope | MovedEnvelope) -> None:
        try:
            await self._bus.deliver(worker, envelope)
        except Unavailable:
            # A waiting caller reads the record again by itself, and a command that moved expires.
            _LOG.info("command_report_undelivered", command=envelope.command_id, worker=worker)

    async def _tick(self) -> float:
        self.withdraw_overdue()
        return _TICK_S


async def _finish(
    steps: CommandSteps, ending: _Ending, at: datetime, *, only_without_effects: bool = False
) -> CommandRecord | None:
    outcome = ending.outcome
    end = End(outcome.state, outcome.result, outcome.error, ending.sent, ending.by)
    return await steps.finish(UUID(ending.command_id), end, at, only_without_effects=only_without_effects)
