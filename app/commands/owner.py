"""The side of a command that holds the socket: what happens to it goes into the record first, then to who
waits.

Used by the sessions (through `Commands`) and by the inbox of this worker.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from app.clock import Clock
from app.commands.effects import MAY_HAVE_EFFECTS, apply_effects
from app.commands.in_flight import Custody, Held, Waiters
from app.commands.records import CommandRecord, CommandState, SentFacts
from app.commands.rules import Outcome, outcome_of
from app.commands.store.commands import CommandStore
from app.commands.store.steps import CommandSteps, End
from app.commands.transport import packed
from app.connection import Connection
from app.database.database import Database
from app.database.prepared import Prepared
from app.errors import StoreUnavailable, Unavailable
from app.live.command_bus import CommandBus
from app.live.envelopes import CallEnvelope, CancelEnvelope, DoneEnvelope, MovedEnvelope
from app.metrics import COMMAND_SECONDS, COMMANDS_FINISHED
from app.ocpp import Resolve
from app.tasks import BackgroundTasks
from app.types import CommandId, TenantId, WorkerId

_RETRY_S = 2.0
_RETRIES = 60
"""Tries to record an end while the database is away: two minutes; after that the reaper ends the command."""

_REPORT_LIFE_S = 60.0
_ANSWER_SOON_S = 0.05

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Ending:
    tenant_id: TenantId
    command_id: str
    outcome: Outcome
    late: bool = False
    sent: SentFacts | None = None


class CommandJournal:
    """Records what becomes of the commands whose sessions are on this worker."""

    def __init__(
        self,
        database: Database,
        steps: Prepared,
        bus: CommandBus,
        clock: Clock,
        waiters: Waiters,
        background: BackgroundTasks,
    ) -> None:
        self._database = database
        self._steps = steps
        self._bus = bus
        self._clock = clock
        self._waiters = waiters
        self._background = background
        self.custody = Custody()

    def sent(self, connection: Connection, unique_id: str) -> None:
        """Record that a CALL has gone to the socket, in the background: its end will say so too."""
        facts = SentFacts(self._bus.worker_id, connection.epoch, self._clock.now())
        held = self.custody.get(CommandId(unique_id))
        if held is None:
            recording = self._record_sent(connection.tenant_id, unique_id, facts)
        else:
            held.sent, held.sent_s = facts, self._clock.monotonic()
            recording = self._record_sent_of(held, facts)
        self._background.spawn(recording, "command_sent")

    async def resolved(self, connection: Connection, resolve: Resolve) -> None:
        """Record how a CALL ended; when the database is away, go on trying in the background."""
        held = self.custody.get(CommandId(resolve.unique_id))
        if held is not None and held.sent_s is not None and not resolve.late:
            COMMAND_SECONDS.labels(resolve.action).observe(self._clock.monotonic() - held.sent_s)
        sent = None if held is None else held.sent
        ending = _Ending(connection.tenant_id, resolve.unique_id, outcome_of(resolve), resolve.late, sent)
        await self._record_or_retry(ending)

    async def end(self, tenant_id: TenantId, command_id: str, outcome: Outcome) -> None:
        """End a command that no answer will end. Does nothing when it has ended."""
        await self._record_or_retry(_Ending(tenant_id, command_id, outcome))

    def end_soon(self, held: Held, outcome: Outcome) -> None:
        """End a command in the background, for callers that must not await."""
        self._background.spawn(self.end(held.tenant_id, held.command_id, outcome), "command_end")

    def report_moved(self, envelope: CallEnvelope) -> None:
        """Tell the issuer that the session is not here; nothing was sent."""
        moved = MovedEnvelope(
            tenant_id=envelope.tenant_id,
            identity=envelope.identity,
            epoch=envelope.epoch,
            deadline=envelope.deadline,
            issuer=self._bus.worker_id,
            command_id=envelope.command_id,
        )
        self._background.spawn(self._report(envelope.issuer, moved), "command_moved")

    def cancelled(self, envelope: CancelEnvelope, *, withdrawn: bool) -> None:
        """Answer a request to cancel. withdrawn: the command was not sent and will not be."""
        self._background.spawn(self._answer_cancel(envelope, withdrawn), "command_cancel")

    async def announce(
        self, held: Held, workers: Iterable[WorkerId], ended: CommandRecord | None = None
    ) -> None:
        """Tell workers to look at the record of a command, this one included. ended: it, if it is at hand."""
        self._waiters.wake(held.command_id, ended)
        for worker in workers:
            elsewhere = ended if worker != self._bus.worker_id else None
            await self._report(worker, self._done(held, elsewhere))

    def count(self, state: CommandState) -> None:
        """Count an end."""
        COMMANDS_FINISHED.labels(state).inc()

    async def _answer_cancel(self, envelope: CancelEnvelope, withdrawn: bool) -> None:
        if withdrawn:
            await self.end(envelope.tenant_id, envelope.command_id, Outcome("cancelled"))
        held = Held(envelope.command_id, envelope.tenant_id, envelope.identity, "", envelope.issuer, 0.0)
        await self.announce(held, [envelope.issuer])

    async def _record_or_retry(self, ending: _Ending) -> None:
        try:
            await self._record(ending)
        except StoreUnavailable:
            log.warning("command_end_delayed", command=ending.command_id)
            self._background.spawn(self._record_again(ending), "command_record")

    async def _record_again(self, ending: _Ending) -> None:
        for _ in range(_RETRIES):
            await asyncio.sleep(_RETRY_S)
            try:
                await self._record(ending)
            except StoreUnavailable:
                continue
            return
        log.error("command_end_lost", command=ending.command_id, state=ending.outcome.state)

    async def _record_sent_of(self, held: Held, facts: SentFacts) -> None:
        if held.action not in MAY_HAVE_EFFECTS:
            # Most answers come within milliseconds, and the end says the same: one write less.
            await asyncio.sleep(_ANSWER_SOON_S)
            if self.custody.get(held.command_id) is not held:
                return
        await self._record_sent(held.tenant_id, held.command_id, facts)

    async def _record_sent(self, tenant_id: TenantId, unique_id: str, facts: SentFacts) -> None:
        try:
            await CommandSteps(self._steps.rows, tenant_id).sent(UUID(unique_id), facts)
        except StoreUnavailable:
            # Its end is what matters, and that is tried until it is recorded.
            log.warning("command_sent_not_recorded", command=unique_id)

    async def _record(self, ending: _Ending) -> None:
        now, ended = self._clock.now(), None
        if not ending.late:
            steps = CommandSteps(self._steps.rows, ending.tenant_id)
            ended = await _finish(steps, ending, now, only_without_effects=True)
        if ended is None:
            ended = await self._record_with_effects(ending, now)
        if ended is not None:
            self.count(ended.state)
        await self._let_go(ending, ended)

    async def _record_with_effects(self, ending: _Ending, now: datetime) -> CommandRecord | None:
        """Record an end together with what else it changes, or an answer that came after the end."""
        outcome, command_id, ended = ending.outcome, UUID(ending.command_id), None
        async with self._database.tenant(ending.tenant_id) as work:
            if not ending.late:
                ended = await _finish(CommandSteps(work.rows, work.tenant_id), ending, now)
            command = ended or await CommandStore(work).get(command_id)
            if command is None:
                return None
            if ended is None and outcome.answered and not _is_end_of(command, outcome):
                await CommandStore(work).late(command_id, outcome.late_result)
            if ended is not None or outcome.answered:
                await apply_effects(work, command, outcome, now)
        return ended

    async def _let_go(self, ending: _Ending, ended: CommandRecord | None) -> None:
        held = self.custody.end(CommandId(ending.command_id))
        if held is not None:
            await self.announce(held, [held.issuer], ended)
        else:
            self._waiters.wake(ending.command_id, ended)

    async def _report(self, worker: WorkerId, envelope: DoneEnvelope | MovedEnvelope) -> None:
        try:
            await self._bus.deliver(worker, envelope)
        except Unavailable:
            # Who waits looks at the record by itself, and what moved expires.
            log.info("command_report_undelivered", command=envelope.command_id, worker=worker)

    def _done(self, held: Held, ended: CommandRecord | None) -> DoneEnvelope:
        return DoneEnvelope(
            tenant_id=held.tenant_id,
            identity=held.identity,
            epoch=0,
            deadline=self._clock.now().timestamp() + _REPORT_LIFE_S,
            issuer=self._bus.worker_id,
            command_id=held.command_id,
            ended=None if ended is None else packed(ended),
        )


async def _finish(
    steps: CommandSteps, ending: _Ending, at: datetime, *, only_without_effects: bool = False
) -> CommandRecord | None:
    outcome = ending.outcome
    end = End(outcome.state, outcome.result, outcome.error, ending.sent)
    return await steps.finish(UUID(ending.command_id), end, at, only_without_effects=only_without_effects)


def _is_end_of(command: CommandRecord, outcome: Outcome) -> bool:
    """Tell whether this very outcome was recorded before, and only the answer of the database was lost."""
    recorded = (command.state, command.result, command.error)
    return recorded == (outcome.state, outcome.result, outcome.error)
