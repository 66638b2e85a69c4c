"""Records how commands end, with their effects, and tells the workers that wait for it.

The end is recorded first, then the waiting callers are told. If the database is away, it is tried again.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from app.commands.context import CommandContext
from app.commands.in_flight import OwnedCommand, OwnedCommands, encoded_end
from app.commands.records import CommandRecord, SentFacts
from app.commands.rules import Actor, Outcome
from app.commands.store.commands import CommandSteps, CommandStore, End
from app.commands.store.effects import CommandEffectStore
from app.commands.store.waiting import leave_session
from app.errors import StoreUnavailable, Unavailable
from app.live.envelopes import DoneEnvelope, MovedEnvelope
from app.logs import get_logger
from app.metrics import COMMANDS_FINISHED
from app.types import CommandId, Json, TenantId, WorkerId

_RETRY_S = 2.0
_RETRIES = 60
"""Tries to record an end while the database is away: two minutes; after that the reaper ends the command."""

REPORT_LIFE_S: Final = 60.0

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CommandEnding:
    """The end of a command, and who causes it. is_late: it came after another end.

    unsent_epoch: of a command that may wait again, because the session of this epoch has certainly not sent
    it.
    """

    tenant_id: TenantId
    command_id: str
    outcome: Outcome
    by: Actor
    is_late: bool = False
    sent: SentFacts | None = None
    unsent_epoch: int | None = None


class CommandEndings:
    """Records the ends of the commands of one worker.

    listeners: told of each command of this worker that has ended, after it was recorded. They must not wait.
    """

    def __init__(self, context: CommandContext, owned: OwnedCommands) -> None:
        """owned: the commands whose sessions are on this worker."""
        self._context = context
        self._owned = owned
        self.listeners: list[Callable[[OwnedCommand], None]] = []

    async def record(self, ending: CommandEnding) -> None:
        """Record an end; if the database is away, try again later in the background."""
        try:
            await self._record_end(ending)
        except StoreUnavailable:
            _LOG.warning("command_end_delayed", command=ending.command_id)
            self._context.background.spawn(self._record_again(ending), "command_record")

    def observed(self, tenant_id: TenantId, command_id: CommandId, effect: Json) -> None:
        """Record the observed effect of a command in the background."""
        self._context.background.spawn(self._observe(tenant_id, command_id, effect), "command_effect")

    async def announce(
        self,
        tenant_id: TenantId,
        command_id: CommandId,
        workers: Iterable[WorkerId],
        ended: CommandRecord | None = None,
    ) -> None:
        """Tell workers, this one included, to read a command again. ended: the command, if it is known."""
        bus = self._context.bus
        self._context.waiters.wake(command_id, ended)
        for worker in workers:
            elsewhere = ended if worker != bus.worker_id else None
            await self.report(
                worker,
                DoneEnvelope(
                    tenant_id=tenant_id,
                    identity="",
                    epoch=0,
                    life_s=REPORT_LIFE_S,
                    issuer=bus.worker_id,
                    command_id=command_id,
                    ended=None if elsewhere is None else encoded_end(elsewhere),
                ),
            )

    async def report(self, worker: WorkerId, envelope: DoneEnvelope | MovedEnvelope) -> None:
        """Send a report to a worker. It is lost if the bus does not work."""
        try:
            await self._context.bus.deliver(worker, envelope)
        except Unavailable:
            # A waiting caller reads the record again by itself, and a command that moved expires.
            _LOG.info("command_report_undelivered", command=envelope.command_id, worker=worker)

    async def _record_again(self, ending: CommandEnding) -> None:
        for _ in range(_RETRIES):
            await asyncio.sleep(_RETRY_S)
            try:
                await self._record_end(ending)
            except StoreUnavailable:
                continue
            return
        _LOG.error("command_end_lost", command=ending.command_id, state=ending.outcome.state)
        # The reaper ends it.
        self._owned.end(CommandId(ending.command_id), ending.outcome.state)

    async def _record_end(self, ending: CommandEnding) -> None:
        now, ended = self._context.clock.now(), None
        if ending.unsent_epoch is not None:
            await self._leave_session(ending, ending.unsent_epoch, now)
            return
        if not ending.is_late:
            steps = CommandSteps(self._context.steps.of(ending.tenant_id), ending.tenant_id)
            ended = await self._finish(steps, ending, now, only_without_effects=True)
        if ended is None:
            ended = await self._record_with_effects(ending, now)
        if ended is not None:
            COMMANDS_FINISHED.labels(ended.state).inc()
        owned = self._owned.end(CommandId(ending.command_id), ending.outcome.state)
        if owned is not None:
            for listener in self.listeners:
                listener(owned)
            await self.announce(owned.tenant_id, owned.command_id, [owned.issuer], ended)
        else:
            self._context.waiters.wake(ending.command_id, ended)

    async def _leave_session(self, ending: CommandEnding, epoch: int, now: datetime) -> None:
        """Let a command that was certainly not sent wait again, or end as `offline` if it must not wait."""
        command_id = CommandId(ending.command_id)
        run = self._context.steps.of(ending.tenant_id)
        state = await leave_session(run, ending.tenant_id, UUID(command_id), epoch, now)
        if state not in (None, "waiting"):
            COMMANDS_FINISHED.labels(state).inc()
        owned = self._owned.end(command_id, state or ending.outcome.state)
        issuers = [] if owned is None else [owned.issuer]
        # Its issuer must not send it to another session by itself.
        await self.announce(ending.tenant_id, command_id, issuers)

    async def _record_with_effects(self, ending: CommandEnding, now: datetime) -> CommandRecord | None:
        """Record an end together with its effects, or an answer that came after the end."""
        outcome, command_id, ended = ending.outcome, UUID(ending.command_id), None
        async with self._context.database.tenant(ending.tenant_id) as work:
            if not ending.is_late:
                ended = await self._finish(CommandSteps(work.rows, work.tenant_id), ending, now)
            command = ended or await CommandStore(work).get(command_id)
            if command is None:
                return None
            # It has ended with this very outcome if only the confirmation of the database was lost.
            if ended is None and outcome.answered and not outcome.is_end_of(command):
                await CommandStore(work).late(command_id, outcome.late_result)
            if ended is not None or outcome.answered:
                await self._context.effects.apply(work, command, outcome, now)
        return ended

    async def _finish(
        self, steps: CommandSteps, ending: CommandEnding, at: datetime, *, only_without_effects: bool = False
    ) -> CommandRecord | None:
        outcome = ending.outcome
        windows = self._context.effect_windows
        end = End(outcome.state, outcome.result, outcome.error, ending.sent, ending.by, windows)
        return await steps.finish(UUID(ending.command_id), end, at, only_without_effects=only_without_effects)

    async def _observe(self, tenant_id: TenantId, command_id: CommandId, effect: Json) -> None:
        for _ in range(_RETRIES):
            try:
                async with self._context.database.tenant(tenant_id) as work:
                    await CommandEffectStore(work).record_first(UUID(command_id), effect)
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_S)
                continue
            return
        _LOG.error("command_effect_lost", command=command_id)
