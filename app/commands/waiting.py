"""Sends the commands that wait in the database: for their charge point to connect, or for their time.

A command waits as `waiting`. A worker looks at the line of a charge point when it logs in, when the command
before has ended, and when a sweep says so. Under a lock of the line it takes one command as `queued`,
commits, and sends it like any other; so no command is sent twice. If it dies in between, the reaper ends it.
A command that was certainly not sent waits again.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from app.commands.context import CommandContext
from app.commands.in_flight import OwnedCommand
from app.commands.owner import CommandOwner
from app.commands.records import (
    CommandRecord,
    CommandState,
    NewWaitingCommand,
    WaitingTarget,
)
from app.commands.rules import JudgedRequest, Outcome, has_effects
from app.commands.store.commands import CommandSteps
from app.commands.store.waiting import WaitingStore, WaitingSweepStore, add_waiting, with_line
from app.commands.waiting_rules import NOT_REGISTERED, LineDecision, decide, judge_terms
from app.connection import Connection
from app.database.text import json_text
from app.database.unit_of_work import TenantWork
from app.errors import (
    AppError,
    Conflict,
    InvalidInput,
    NoSuchChargePoint,
    StoreUnavailable,
    TooManyRequests,
    Unavailable,
)
from app.live.encryption import EnvelopeCipher
from app.live.presence import Owner, Presence
from app.logs import get_logger
from app.metrics import COMMANDS_FINISHED, COMMANDS_ISSUED, LIMITS_HIT
from app.tasks import BackgroundTasks, PeriodicTask
from app.types import ChargePointKey, TenantId

_PURPOSE: Final = b"stationmaster waiting commands 1"
_SWEEP_S: Final = 2.0
_BATCH: Final = 200
"""Commands that one sweep looks at."""
_LOGINS: Final = 500
"""Logins that one statement asks for."""
_AT_ONCE: Final = 8
"""Charge points that one worker looks at at the same time, so that logins do not wait for the database."""
_CLAIMED: Final = timedelta(seconds=30)
"""Another worker looks at a command that one had to look at, after this time."""
_AFTER_FAILURE_S: Final = 2.0

Sender = Callable[[CommandRecord, str, float, Owner], Coroutine[Any, Any, None]]
"""Sends a command: its record, the text of its payload, the seconds that it may be under way, the session."""

_UNREADABLE: Final = Outcome(
    "expired", error={"code": "NotQueued", "description": "Its payload was stored with another pepper."}
)

_LOG = get_logger(__name__)


class WaitingCommands:
    """The commands that wait, as one worker sees them."""

    def __init__(
        self, context: CommandContext, owner: CommandOwner, presence: Presence, send: Sender
    ) -> None:
        self._context = context
        self._owner = owner
        self._presence = presence
        self._send = send
        self._cipher = EnvelopeCipher(context.settings.credential_pepper, purpose=_PURPOSE)
        self._logins: dict[ChargePointKey, str] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._tasks = BackgroundTasks()
        self._loops: list[PeriodicTask] = []
        self._looking: set[asyncio.Task[None]] = set()
        owner.endings.listeners.append(self._ended)

    def start(self) -> None:
        """Look at what waits, from now on."""
        self._loops = [
            PeriodicTask(self._sweep_and_pause, "commands_waiting"),
            PeriodicTask(self._logins_and_pause, "commands_of_logins"),
        ]

    async def close(self) -> None:
        """Stop looking. Commands that were taken are sent."""
        loops, self._loops = self._loops, []
        for loop in loops:
            await loop.stop()
        await self._tasks.drain()
        await asyncio.gather(*self._looking, return_exceptions=True)

    def logged_in(self, connection: Connection) -> None:
        """Note that the commands of a charge point may be sent now."""
        key = ChargePointKey(connection.tenant_id, connection.charge_point_id)
        self._logins[key] = connection.identity

    # Recording

    async def record(self, tenant_id: TenantId, judged: JudgedRequest) -> CommandRecord:
        """Record a command that waits, and send it if that is possible now.

        An idempotency key that was used for the same request returns that command, in its present state.

        Raises:
            NotFound: no such charge point.
            InvalidInput: its times contradict each other.
            Conflict: the idempotency key was used for another request.
            TooManyRequests: too many commands wait for this charge point.
        """
        request, settings = judged.request, self._context.settings
        target = WaitingTarget(uuid4(), request.identity)
        run = self._context.steps.of(tenant_id)
        try:
            new = self.prepared(tenant_id, judged)
        except InvalidInput:
            # Its times may have been right when it came first.
            known = await CommandSteps(run, tenant_id).known_under(target.id, request.idempotency_key)
            if known is not None and known.request_digest == judged.digest:
                return known
            raise
        places = await add_waiting(run, tenant_id, new, [target], settings.command_waiting_limit)
        if not places:
            raise NoSuchChargePoint(request.identity)
        (place,) = places
        if place.command is None:
            known = await CommandSteps(run, tenant_id).known_under(target.id, request.idempotency_key)
            if known is not None:
                if known.request_digest != judged.digest:
                    raise Conflict("The idempotency key was used for another request.", "Idempotency-Key")
                return known
            if place.is_line_full:
                LIMITS_HIT.labels("command_waiting").inc()
                limit = settings.command_waiting_limit
                raise TooManyRequests(f"{limit} commands wait for this charge point already.", 60)
            # The command under its idempotency key was deleted between the two statements.
            raise StoreUnavailable
        COMMANDS_ISSUED.labels(request.action).inc()
        command = place.command
        await self.look_or_leave(tenant_id, command.charge_point_id, command.identity)
        return await self._present(tenant_id, command)

    def prepared(
        self, tenant_id: TenantId, judged: JudgedRequest, bulk_id: UUID | None = None
    ) -> NewWaitingCommand:
        """Return what is recorded of a command that waits. bulk_id: of the bulk that it belongs to.

        Raises:
            InvalidInput: its times contradict each other, or it must not wait.
        """
        request, now, sealed = judged.request, self._context.clock.now(), None
        terms = judge_terms(judged, now, self._context.settings)
        if judged.has_secrets:
            sealed = self._cipher.encrypt(judged.payload_text.encode(), str(tenant_id))
        triggers = self._context.effects.triggers
        return NewWaitingCommand(
            action=request.action,
            payload=judged.payload,
            created_at=now,
            deadline_at=terms.until,
            timeout_s=judged.timeout_s,
            issued_by=request.issued_by,
            idempotency_key=request.idempotency_key,
            request_digest=judged.digest,
            has_effects=has_effects(triggers, request.action, judged.payload),
            when_offline=request.when_offline or "fail",
            not_before=request.not_before,
            check_at=terms.ready_at,
            sealed_payload=sealed,
            bulk_id=bulk_id,
        )

    # Looking

    async def look_or_leave(self, tenant_id: TenantId, charge_point_id: int, identity: str) -> None:
        """Look at a line; if that fails, leave it to the sweep."""
        try:
            await self.look(tenant_id, charge_point_id, identity)
        except AppError as error:
            _LOG.info("waiting_commands_left", charge_point=identity, detail=error.detail)

    async def look(self, tenant_id: TenantId, charge_point_id: int, identity: str) -> None:
        """Send the next command of a charge point if it can be sent now, and end those that cannot any more.

        Raises:
            StoreUnavailable: the database does not answer.
            Unavailable: it is not known where the charge point is connected.
        """
        # The caller may be cancelled after a command was taken, which must be sent nevertheless.
        task = asyncio.create_task(self._look(tenant_id, charge_point_id, identity))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)
        await asyncio.shield(task)

    async def _look(self, tenant_id: TenantId, charge_point_id: int, identity: str) -> None:
        owner = await self._presence.locate(tenant_id, identity)
        if owner is not None and owner.charge_point_id != charge_point_id:
            # The session of a charge point of this name that was deleted.
            owner = None
        now, ended = self._context.clock.now(), dict[UUID, CommandState]()
        taken: tuple[CommandRecord, bytes | None] | None = None
        async with self._context.database.tenant(tenant_id) as work:
            store = WaitingStore(work)
            line = await store.line(charge_point_id)
            if line is None:
                return
            decision = decide(line, is_connected=owner is not None, now=now)
            if decision.send is not None and owner is not None and await self._has_room(work, decision):
                taken = await store.take(decision.send.id, owner.worker, owner.epoch)
            ended = await _apply(store, decision, now)
        for command_id, state in ended.items():
            COMMANDS_FINISHED.labels(state).inc()
            self._context.waiters.wake(str(command_id))
        if taken is not None and owner is not None:
            await self._send_taken(tenant_id, *taken, owner)

    async def sweep(self) -> int:
        """Look at the commands whose time has come, and end those that are overdue; return how many lines.

        Raises:
            StoreUnavailable: the database does not answer. What was taken is looked at again later.
        """
        now = self._context.clock.now()
        async with self._context.database.platform() as work:
            store = WaitingSweepStore(work)
            overdue = await store.expire(now)
            due = await store.due(now, now + _CLAIMED, _BATCH)
        for _, command_id in overdue:
            COMMANDS_FINISHED.labels("expired").inc()
            self._context.waiters.wake(str(command_id))
        await asyncio.gather(*(self._in_turn(TenantId(row[0]), row[1], row[2]) for row in due))
        return len(due)

    async def look_at_logins(self) -> None:
        """Look at the lines of the charge points that have logged in here since the last call.

        Raises:
            StoreUnavailable: the database does not answer. The logins are kept.
        """
        asked = list(self._logins.items())[:_LOGINS]
        if not asked:
            return
        waiting = await with_line(self._context.steps.rows, [key for key, _ in asked])
        for key, _ in asked:
            self._logins.pop(key, None)
        await asyncio.gather(
            *(
                self._in_turn(TenantId(key.tenant_id), key.charge_point_id, identity)
                for key, identity in asked
                if key in waiting
            )
        )

    # How it is done

    async def _has_room(self, work: TenantWork, decision: LineDecision) -> bool:
        """Tell whether the bulk of the next command has room for it; if not, the bulk comes back to it."""
        entry = decision.send
        if entry is None or entry.bulk_id is None:
            return True
        active = await WaitingStore(work).active_of_bulk(entry.bulk_id)
        if active < self._context.settings.command_bulk_concurrency:
            return True
        decision.look_again(entry, timedelta(0))
        return False

    async def _send_taken(
        self, tenant_id: TenantId, command: CommandRecord, sealed: bytes | None, owner: Owner
    ) -> None:
        text = json_text(command.payload)
        if sealed is not None:
            body = self._cipher.decrypt(sealed, str(tenant_id))
            if body is None:
                # It was sealed with another pepper. Nothing was sent, and nothing can be.
                await self._owner.end(tenant_id, str(command.id), _UNREADABLE, "issuer")
                return
            text = body.decode()
        left_s = (command.deadline_at - self._context.clock.now()).total_seconds()
        life_s = max(0.0, min(self._context.settings.command_expiry_s, left_s))
        try:
            await self._send(command, text, life_s, owner)
        except Unavailable:
            # It may have arrived: the owner ends it, or that worker's reaper.
            _LOG.warning("waiting_command_unconfirmed", command=str(command.id))

    def _ended(self, owned: OwnedCommand) -> None:
        """Look at the line of a command that has ended, or waits again."""
        if not owned.has_waited:
            return
        connection = self._owner.connection(owned.tenant_id, owned.identity)
        if connection is not None:
            point = connection.charge_point_id
            self._tasks.spawn(self._in_turn(owned.tenant_id, point, owned.identity), "command_line")

    async def _in_turn(self, tenant_id: TenantId, charge_point_id: int, identity: str) -> None:
        async with self._turns:
            await self.look_or_leave(tenant_id, charge_point_id, identity)

    async def _present(self, tenant_id: TenantId, command: CommandRecord) -> CommandRecord:
        steps = CommandSteps(self._context.steps.of(tenant_id), tenant_id)
        return await steps.known_under(command.id, None) or command

    async def _sweep_and_pause(self) -> float:
        try:
            return 0.0 if await self.sweep() >= _BATCH else _SWEEP_S
        except StoreUnavailable:
            _LOG.warning("waiting_commands_not_looked_at")
            return _SWEEP_S

    async def _logins_and_pause(self) -> float:
        try:
            await self.look_at_logins()
        except StoreUnavailable:
            return _AFTER_FAILURE_S
        return 0.0 if len(self._logins) >= _LOGINS else 0.1


async def _apply(store: WaitingStore, decision: LineDecision, now: datetime) -> dict[UUID, CommandState]:
    """Write what was decided; return the commands that have ended."""
    ended: dict[UUID, CommandState] = {}
    for state, ids in decision.ends.items():
        ended |= dict.fromkeys(await store.end(ids, state, now), state)
    if decision.forbidden:
        ids = await store.end(decision.forbidden, "expired", now, NOT_REGISTERED)
        ended |= dict.fromkeys(ids, "expired")
    for after, ids in decision.later.items():
        await store.check_later(ids, now + after)
    return ended
