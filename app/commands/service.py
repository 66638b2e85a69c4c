"""The worker that issues commands: it records each one, sends it to the owner of the session, and waits.

A command is a resource with a state machine, not a blocking call. It is recorded before it is sent, and its
end is recorded by the owner before a caller is told. If neither can end it, the reaper does. No command is
sent twice.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec

from app.commands.context import CommandContext
from app.commands.endings import CommandEnding
from app.commands.guards import CommandGuards
from app.commands.in_flight import IssuedCommand, IssuedCommands, Waiter, decoded_end
from app.commands.owner import CommandOwner
from app.commands.records import CommandFilter, CommandRecord, CommandRequest, NewCommand, SessionOwner
from app.commands.rules import (
    OPEN_COMMAND_STATES,
    JudgedRequest,
    Outcome,
    has_effects,
    judge_request,
    may_wait,
    refusing_registrations,
    require_permitted,
)
from app.commands.store.commands import CommandSteps, CommandStore, read_command
from app.commands.store.waiting import WaitingStore
from app.commands.waiting import WaitingCommands
from app.commands.waiting_rules import require_terms_to_wait
from app.errors import (
    ChargePointBusy,
    Conflict,
    NoSuchChargePoint,
    NotFound,
    StoreUnavailable,
    TooManyRequests,
    Unavailable,
)
from app.live.envelopes import CallEnvelope, CancelEnvelope, DoneEnvelope, MovedEnvelope
from app.live.presence import Owner, Presence
from app.logs import get_logger
from app.metrics import COMMANDS_FINISHED, COMMANDS_ISSUED, LIMITS_HIT
from app.tracing.spans import TracedCommand
from app.types import CommandId, TenantId, WorkerId

_CANCEL_S = 5.0
_REREAD_S = 2.0
_LOCATE_AGAIN_S = 1.0

_LOG = get_logger(__name__)


PAYLOAD_LIMIT_BYTES: Final = 262_144
"""The largest payload of a command, in bytes of its JSON text."""


class CommandService:
    """Issues the commands of a tenant, and tells how they ended."""

    def __init__(self, context: CommandContext, owner: CommandOwner, presence: Presence) -> None:
        """owner: of the same worker; it records the ends that this side decides."""
        self.database = context.database
        self.payload_limit_bytes = PAYLOAD_LIMIT_BYTES
        self._context = context
        self._clock = context.clock
        self._settings = context.settings
        self._bus = context.bus
        self._owner = owner
        self._presence = presence
        self._issued = IssuedCommands()
        self.guards = CommandGuards()
        self.waiting = WaitingCommands(context, owner, presence, self._send)

    async def close(self) -> None:
        """Wait up to `durable_wait_s` until the ends of commands are recorded."""
        await self._context.background.drain_within(self._settings.durable_wait_s)

    async def settle(self) -> None:
        """Wait until everything that is being recorded in the background is recorded."""
        await self._context.background.drain()

    def receivers(self) -> dict[type, Callable[[Any], None]]:
        """Return what takes the envelopes about commands from the bus, by their type."""
        return {
            CallEnvelope: self._owner.call,
            CancelEnvelope: self._owner.cancel,
            DoneEnvelope: self.done,
            MovedEnvelope: self.moved,
        }

    async def issue(
        self, tenant_id: TenantId, request: CommandRequest, *, wait_s: float = 0.0, is_guarded: bool = True
    ) -> CommandRecord:
        """Validate, record and send a command; return its record.

        is_guarded: capabilities may refuse it; False: the caller has decided that.

        The record is terminal, or as it is after `wait_s`. If the charge point is not connected, it is
        `offline` at once. An idempotency key that was used for the same request returns that command, in its
        present state.

        Raises:
            NotFound: no such charge point, or the central system sends no such action.
            InvalidInput: the payload (pointers begin at its root) or `timeout_s` breaks a rule.
            Conflict: the registration forbids it, the idempotency key was used for another request,
                another change of the credential is not settled yet, or a guard refuses it.
            TooManyRequests: too many commands wait for this charge point. ChargePointBusy: the request gives
                way, and another command is under way.
            Unavailable: code `bus_unavailable`; the owner cannot be found, or did not confirm. Then the
                record says what became of the command: it may still be sent, or it expires.
        """
        judged = judge_request(request, self._context.protocol, self._settings)
        if is_guarded:
            await self.guards.check(tenant_id, request.action, judged.payload, [request.identity])
        if may_wait(request):
            return await self._issue_waiting(tenant_id, judged, wait_s)
        require_terms_to_wait(request)
        key = None if judged.new_key is None else self._context.effects.credential.key_of(judged.new_key)
        owner = await self._presence.locate(tenant_id, request.identity)
        new = self._new_command(judged, owner)
        if key is None:
            steps = CommandSteps(self._context.steps.of(tenant_id), tenant_id)
            command, is_repeated = await self._record(steps, new, gives_way=request.gives_way)
        else:
            command, is_repeated = await self._record_with_key(tenant_id, new, key)
        if is_repeated:
            return await self.wait(tenant_id, command.id, wait_s) if wait_s > 0 else command
        COMMANDS_ISSUED.labels(request.action).inc()
        if owner is None or command.state == "offline":
            COMMANDS_FINISHED.labels("offline").inc()
            return command
        with self._context.waiters.waiting(str(command.id)) as waiter:
            await self._send(command, judged.payload_text, self._settings.command_expiry_s, owner)
            return await self._until_ended(tenant_id, command, waiter, wait_s)

    async def _issue_waiting(
        self, tenant_id: TenantId, judged: JudgedRequest, wait_s: float
    ) -> CommandRecord:
        command = await self.waiting.record(tenant_id, judged)
        return await self.wait(tenant_id, command.id, wait_s) if wait_s > 0 else command

    async def wait(self, tenant_id: TenantId, command_id: UUID, seconds: float) -> CommandRecord:
        """Return the command once it is terminal, or as it is after `seconds`.

        The wait is registered before the record is read, so no end in between is missed.

        Raises:
            NotFound: no such command.
        """
        with self._context.waiters.waiting(str(command_id)) as waiter:
            command = await self.get(tenant_id, command_id)
            return await self._until_ended(tenant_id, command, waiter, seconds)

    async def get(self, tenant_id: TenantId, command_id: UUID) -> CommandRecord:
        """Return one command.

        Raises:
            NotFound: no such command.
        """
        command = await read_command(self.database.reads, tenant_id, command_id)
        if command is None:
            raise NotFound("There is no such command.", "command_id")
        return command

    async def page(
        self, tenant_id: TenantId, limit: int, after: tuple[datetime, UUID] | None, filters: CommandFilter
    ) -> list[CommandRecord]:
        """Return commands, the newest first. after: (created_at, id) of the last one that was seen."""
        async with self.database.tenant(tenant_id) as work:
            return await CommandStore(work).page(limit, after, filters)

    async def cancel(self, tenant_id: TenantId, command_id: UUID) -> CommandRecord:
        """Cancel a command that was not sent yet; return its record in state `cancelled`.

        Raises:
            NotFound: no such command.
            Conflict: it was sent, or has ended.
            Unavailable: a worker that may have it cannot be reached, or does not answer.
        """
        command = await self.get(tenant_id, command_id)
        if command.state == "waiting":
            async with self.database.tenant(tenant_id) as work:
                await WaitingStore(work).end([command_id], "cancelled", self._clock.now())
            self._context.waiters.wake(str(command_id))
            # If a worker was faster, it is queued now.
            command = await self.get(tenant_id, command_id)
        for holder in await self._holders(tenant_id, command):
            if command.state == "queued":
                await self._ask_to_cancel(command, holder)
                command = await self.get(tenant_id, command_id)
        if command.state == "queued":
            raise Conflict("The command cannot be cancelled now: it is on its way. Try again.")
        if command.state != "cancelled":
            raise Conflict(f"The command cannot be cancelled any more: it is {command.state}.")
        return command

    # From the bus

    def done(self, envelope: DoneEnvelope) -> None:
        """Wake the callers that wait for a command: it has ended."""
        self._issued.end(envelope.command_id)
        self._context.waiters.wake(envelope.command_id, decoded_end(envelope))

    def moved(self, envelope: MovedEnvelope) -> None:
        """Send a command to another owner, once: the worker that got it does not have the session."""
        issued = self._issued.get(envelope.command_id)
        # A second report of the same attempt says nothing about the new one.
        if issued is not None and issued.envelope.epoch == envelope.epoch:
            self._issued.end(envelope.command_id)
            self._context.background.spawn(self._reroute(issued), "command_reroute")

    # Recording

    def _new_command(self, judged: JudgedRequest, owner: Owner | None) -> NewCommand:
        now, request = self._clock.now(), judged.request
        life = timedelta(seconds=self._settings.command_expiry_s)
        return NewCommand(
            id=uuid4(),
            identity=request.identity,
            action=request.action,
            payload=judged.payload,
            created_at=now,
            deadline_at=now + life,
            timeout_s=judged.timeout_s,
            issued_by=request.issued_by,
            owner=None if owner is None else SessionOwner(owner.charge_point_id, owner.worker, owner.epoch),
            idempotency_key=request.idempotency_key,
            request_digest=judged.digest,
            has_effects=has_effects(self._context.effects.triggers, request.action, judged.payload),
        )

    async def _record(
        self, steps: CommandSteps, new: NewCommand, *, gives_way: bool = False
    ) -> tuple[CommandRecord, bool]:
        """Record a command. Return it, and whether its idempotency key had already recorded it.

        Raises:
            NotFound, Conflict, TooManyRequests: see `issue`.
        """
        limit = self._settings.command_queue_limit
        refusing = refusing_registrations(new.action)
        found = await steps.record(new, refusing=refusing, queue_limit=limit, gives_way=gives_way)
        if found is None:
            raise NoSuchChargePoint(new.identity)
        if found.command is not None:
            return found.command, False
        known = await steps.known(new)
        if known is not None:
            if known.request_digest != new.request_digest:
                raise Conflict("The idempotency key was used for another request.", "Idempotency-Key")
            # It is this very command if only the confirmation of the database was lost.
            return known, known.id != new.id
        require_permitted(found.registration_status, new.action)
        if found.is_queue_full and gives_way:
            raise ChargePointBusy
        if found.is_queue_full:
            LIMITS_HIT.labels("command_queue").inc()
            raise TooManyRequests(f"{limit} commands wait for this charge point already.", retry_after_s=5)
        # The command under its idempotency key was deleted between the two statements.
        raise StoreUnavailable

    async def _record_with_key(
        self, tenant_id: TenantId, new: NewCommand, key: bytes
    ) -> tuple[CommandRecord, bool]:
        """Record a command that sets the credential of its charge point; see `_record`."""
        async with self.database.tenant(tenant_id) as work:
            # One change after the other: each must see what the one before has left.
            change = await self._context.effects.credential.begin(work, new.identity, key, new.created_at)
            if change is None:
                raise NoSuchChargePoint(new.identity)
            if new.owner is not None:
                new = replace(new, credential_hash=change.credential_hash)
            recorded, is_repeated = await self._record(CommandSteps(work.rows, work.tenant_id), new)
            if recorded.state == "queued" and recorded.credential_hash is not None and not is_repeated:
                await change.reserve(recorded)
        return recorded, is_repeated

    # Sending

    async def _send(self, command: CommandRecord, payload_text: str, life_s: float, owner: Owner) -> None:
        command_id = CommandId(str(command.id))
        traced = TracedCommand(command.action, command_id, owner.tenant_id, owner.identity)
        with self._context.tracing.delivering(traced) as trace:
            envelope = CallEnvelope(
                tenant_id=owner.tenant_id,
                identity=owner.identity,
                epoch=owner.epoch,
                life_s=life_s,
                full_life_s=life_s,
                issuer=self._bus.worker_id,
                command_id=command_id,
                action=command.action,
                payload=payload_text,
                timeout_s=command.timeout_s,
                has_effects=command.has_effects,
                has_waited=command.when_offline is not None,
                trace=trace,
            )
            until_s = self._clock.monotonic() + envelope.life_s
            await self._deliver(IssuedCommand(envelope, owner.worker, until_s))

    async def _deliver(self, issued: IssuedCommand) -> None:
        """Send a command to its owner.

        Raises:
            Unavailable: the bus did not confirm. The owner may have got it, so nothing is recorded: either
                the owner ends it, or it was lost, and that worker's reaper ends it.
        """
        self._issued.add(issued, self._clock.monotonic())
        await self._bus.deliver(issued.worker, issued.envelope)

    async def _reroute(self, issued: IssuedCommand) -> None:
        """Send a command to the present owner of its session. Until then no worker has it."""
        envelope = issued.envelope
        if envelope.has_waited:
            # It waits for the next session, and is sent in its turn.
            unsent = CommandEnding(
                envelope.tenant_id,
                envelope.command_id,
                Outcome("offline"),
                "issuer",
                unsent_epoch=envelope.epoch,
            )
            await self._owner.endings.record(unsent)
            return
        owner = await self._locate_until(issued)
        known = (issued.worker, envelope.epoch)
        if owner is None or issued.rerouted or (owner.worker, owner.epoch) == known:
            is_over = self._clock.monotonic() >= issued.until_s
            outcome = Outcome("expired" if is_over else "offline")
            await self._owner.end(envelope.tenant_id, envelope.command_id, outcome, "issuer")
            return
        life_s = issued.until_s - self._clock.monotonic()
        again = msgspec.structs.replace(envelope, epoch=owner.epoch, life_s=life_s, full_life_s=life_s)
        try:
            await self._deliver(IssuedCommand(again, owner.worker, issued.until_s, rerouted=True))
        except Unavailable:
            _LOG.warning("command_not_rerouted", command=envelope.command_id)

    async def _locate_until(self, issued: IssuedCommand) -> Owner | None:
        """Return the owner of a session; None: there is none, or the deadline passed first."""
        envelope = issued.envelope
        while self._clock.monotonic() < issued.until_s:
            try:
                return await self._presence.locate(envelope.tenant_id, envelope.identity)
            except Unavailable:
                await asyncio.sleep(_LOCATE_AGAIN_S)
        return None

    async def _holders(self, tenant_id: TenantId, command: CommandRecord) -> list[SessionOwner]:
        """Return the sessions whose workers may have a queued command: that on record first.

        The command may have followed its charge point to another worker without a record of it.
        """
        holders = []
        if command.worker is not None and command.epoch is not None:
            holders.append(SessionOwner(command.charge_point_id, command.worker, command.epoch))
        owner = await self._presence.find(tenant_id, command.identity)
        if owner is not None:
            holders.append(SessionOwner(owner.charge_point_id, owner.worker, owner.epoch))
        return list(dict.fromkeys(holders))

    async def _ask_to_cancel(self, command: CommandRecord, holder: SessionOwner) -> None:
        """Ask a worker to take a command out of its queue, and wait for its answer.

        Raises:
            Unavailable: it does not answer. The command may still be sent.
        """
        envelope = CancelEnvelope(
            tenant_id=TenantId(command.tenant_id),
            identity=command.identity,
            epoch=holder.epoch,
            life_s=_CANCEL_S,
            issuer=self._bus.worker_id,
            command_id=CommandId(str(command.id)),
        )
        with self._context.waiters.waiting(str(command.id)) as waiter:
            await self._bus.deliver(WorkerId(holder.worker), envelope)
            if not await waiter.wait(_CANCEL_S):
                raise Unavailable("The worker that has the command does not answer.", "bus_unavailable")

    async def _until_ended(
        self, tenant_id: TenantId, command: CommandRecord, waiter: Waiter, seconds: float
    ) -> CommandRecord:
        """Return a command of the tenant once it is terminal, or as it is after `seconds`."""
        deadline = self._clock.monotonic() + seconds
        while command.state in OPEN_COMMAND_STATES and (left := deadline - self._clock.monotonic()) > 0:
            # Only the issuing worker is told of the end, and only while the bus works: others read again.
            await waiter.wait(min(left, _REREAD_S))
            ended = waiter.ended
            is_meant = ended is not None and (ended.id, ended.tenant_id) == (command.id, tenant_id)
            command = ended if ended is not None and is_meant else await self.get(tenant_id, command.id)
        return command
