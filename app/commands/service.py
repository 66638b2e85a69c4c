"""Commands to charge points: a resource with a state machine, not a blocking call (ARCHITECTURE: two straight
lines).

A command is recorded before it is routed, and its end is recorded by the worker that holds the socket before
anyone is told. What neither of them can end any more, `reap` ends. Nothing here is ever sent twice.
"""

from datetime import timedelta
from uuid import UUID

import msgspec
import structlog

from app.clock import Clock
from app.commands.in_flight import Held, Route, Routes, Waiter, Waiters
from app.commands.owner import CommandJournal
from app.commands.recording import CLOCK_DIFFERENCE_S, CommandRecording
from app.commands.records import OPEN_COMMAND_STATES, CommandRecord
from app.commands.request import CommandRequest, Origin, judge_request
from app.commands.rules import Outcome
from app.commands.store.commands import read_command
from app.commands.store.reaper import CommandReaper
from app.commands.transport import unpacked
from app.connection import Connection
from app.database.database import Database
from app.database.prepared import Prepared
from app.errors import Conflict, NotFound, StoreUnavailable, Unavailable
from app.live.command_bus import CommandBus
from app.live.envelopes import CallEnvelope, CancelEnvelope, DoneEnvelope, MovedEnvelope
from app.live.presence import Owner, Presence
from app.metrics import COMMANDS_ISSUED
from app.ocpp import Resolve
from app.settings import Settings
from app.tasks import BackgroundTasks, PeriodicTask
from app.types import CommandId, TenantId

_CANCEL_S = 5.0
_REREAD_S = 2.0
_REAP_S = 5.0

log = structlog.get_logger(__name__)


class Commands:
    """Issues commands, and records what becomes of them."""

    def __init__(
        self,
        database: Database,
        steps: Prepared,
        presence: Presence,
        bus: CommandBus,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._database = database
        self._presence = presence
        self._bus = bus
        self._clock = clock
        self._settings = settings
        self._recording = CommandRecording(database, steps, clock, settings)
        self._background = BackgroundTasks()
        self._waiters = Waiters()
        self._routes = Routes()
        self.journal = CommandJournal(database, steps, bus, clock, self._waiters, self._background)
        self._reaper: PeriodicTask | None = None

    def start(self) -> None:
        """Reap every few seconds in the background."""
        self._reaper = PeriodicTask(self._reap_and_pause, "commands_reaper")

    async def close(self) -> None:
        """Stop reaping, and finish recording what has ended so far."""
        if self._reaper is not None:
            await self._reaper.stop()
            self._reaper = None
        await self._background.drain_within(self._settings.durable_wait_s)

    async def issue(
        self,
        tenant_id: TenantId,
        identity: str,
        action: str,
        payload_text: str,
        *,
        timeout_s: float | None = None,
        idempotency_key: str | None = None,
        issued_by: str,
        wait_s: float = 0.0,
    ) -> CommandRecord:
        """Validate, record and route a command; return its record: as soon as it is terminal (`offline` at
        once, when nobody is there), or as it is after `wait_s`.

        timeout_s: how long to wait for the answer once it is sent, `call_timeout_s` by default. An
        idempotency key that was used for the same request returns the command of then, in its present state.

        Raises:
            NotFound: no such charge point, or `action` is no action of the central system.
            InvalidInput: the payload (pointers begin at its root) or `timeout_s` breaks a rule.
            Conflict: the registration forbids it, the idempotency key was used for another request, or
                another change of the credential is under way.
            TooManyRequests: too many commands wait for this charge point.
            Unavailable: code `bus_unavailable`; the owner cannot be reached or found. Nothing was sent, or
                the record says `connection_lost`.
        """
        request = judge_request(identity, action, payload_text, timeout_s, self._settings)
        owner = await self._presence.locate(tenant_id, identity)
        origin = Origin(issued_by, idempotency_key)
        command, repeated = await self._recording.record(tenant_id, identity, request, owner, origin)
        if repeated:
            return await self.wait(tenant_id, command.id, wait_s) if wait_s > 0 else command
        COMMANDS_ISSUED.labels(action).inc()
        if owner is None or command.state == "offline":
            self.journal.count("offline")
            return command
        with self._waiters.waiting(str(command.id)) as waiter:
            await self._send(command, request, owner)
            return await self._until_ended(tenant_id, command, waiter, wait_s)

    async def wait(self, tenant_id: TenantId, command_id: UUID, seconds: float) -> CommandRecord:
        """Return the command once it is terminal, or as it is after `seconds`.

        The wait is registered before the record is read, so an end in between wakes it: whether the command
        was sent before or after makes no difference.

        Raises:
            NotFound: no such command.
        """
        with self._waiters.waiting(str(command_id)) as waiter:
            command = await self._get(tenant_id, command_id)
            return await self._until_ended(tenant_id, command, waiter, seconds)

    async def cancel(self, tenant_id: TenantId, command_id: UUID) -> CommandRecord:
        """Take back a command that was not sent yet; return its record in state `cancelled`.

        Raises:
            NotFound: no such command.
            Conflict: it was sent, or has ended.
            Unavailable: the worker that holds it cannot be reached.
        """
        command = await self._get(tenant_id, command_id)
        if command.state == "queued":
            owner = await self._presence.locate(tenant_id, command.identity)
            if owner is None:
                await self.journal.end(tenant_id, str(command_id), Outcome("cancelled"))
            else:
                await self._ask_to_cancel(command, owner)
            command = await self._get(tenant_id, command_id)
        if command.state != "cancelled":
            raise Conflict(f"The command cannot be cancelled any more: it is {command.state}.")
        return command

    def sent(self, connection: Connection, unique_id: str) -> None:
        """Record that a CALL has gone to the socket (the core's `CallSent`)."""
        self.journal.sent(connection, unique_id)

    async def resolved(self, connection: Connection, resolve: Resolve) -> None:
        """Record how a CALL ended (the core's `Resolve`), with its effects; then tell who waits."""
        await self.journal.resolved(connection, resolve)

    def done(self, envelope: DoneEnvelope) -> None:
        """A command that was issued or is awaited here has ended."""
        self._routes.end(envelope.command_id)
        self._waiters.wake(envelope.command_id, unpacked(envelope))

    def moved(self, envelope: MovedEnvelope) -> None:
        """The worker a command was routed to does not hold the session: look its owner up anew, once."""
        route = self._routes.get(envelope.command_id)
        # A second report of the same attempt says nothing about the new one.
        if route is not None and route.envelope.epoch == envelope.epoch:
            self._routes.end(envelope.command_id)
            self._background.spawn(self._reroute(route), "command_reroute")

    async def reap(self) -> None:
        """End the commands of dead workers and overdue ones; note remote starts that had no effect.

        While it is not certain which workers live, no command is taken from any; overdue ones end all the
        same, for their time is up whoever holds them.
        """
        alive = self._presence.alive_workers()
        now = self._clock.now()
        async with self._database.platform() as work:
            reaped = await CommandReaper(work).lost(None if alive is None else sorted(alive), now)
            await CommandReaper(work).no_effect(now, self._settings.remote_start_window_s)
        for ended in reaped:
            self.journal.count(ended.state)
            held = Held(CommandId(str(ended.id)), TenantId(ended.tenant_id), "", "", self._bus.worker_id, 0.0)
            await self.journal.announce(held, alive or ())

    async def settle(self) -> None:
        """Wait until everything that is being recorded in the background is."""
        await self._background.drain()

    async def _send(self, command: CommandRecord, request: CommandRequest, owner: Owner) -> None:
        envelope = CallEnvelope(
            tenant_id=owner.tenant_id,
            identity=owner.identity,
            epoch=owner.epoch,
            deadline=(command.deadline_at - timedelta(seconds=CLOCK_DIFFERENCE_S)).timestamp(),
            issuer=self._bus.worker_id,
            command_id=CommandId(str(command.id)),
            action=request.action,
            payload=request.payload_text,
            timeout_s=request.timeout_s,
        )
        await self._deliver(Route(envelope, owner.worker))

    async def _deliver(self, route: Route) -> None:
        """Put a command on its way; when the bus does not confirm, what became of it is unknown."""
        envelope = route.envelope
        self._routes.put(route, self._clock.now().timestamp())
        try:
            await self._bus.deliver(route.worker, envelope)
        except Unavailable as error:
            self._routes.end(envelope.command_id)
            reason = {"code": error.code, "description": error.detail}
            await self.journal.end(
                envelope.tenant_id, envelope.command_id, Outcome("connection_lost", error=reason)
            )
            raise

    async def _reroute(self, route: Route) -> None:
        envelope = route.envelope
        owner = await self._presence.find(envelope.tenant_id, envelope.identity)
        if owner is None or route.rerouted or (owner.worker, owner.epoch) == (route.worker, envelope.epoch):
            await self.journal.end(envelope.tenant_id, envelope.command_id, Outcome("offline"))
            return
        again = msgspec.structs.replace(envelope, epoch=owner.epoch)
        try:
            await self._deliver(Route(again, owner.worker, rerouted=True))
        except Unavailable:
            log.warning("command_not_rerouted", command=envelope.command_id)

    async def _ask_to_cancel(self, command: CommandRecord, owner: Owner) -> None:
        with self._waiters.waiting(str(command.id)) as waiter:
            envelope = CancelEnvelope(
                tenant_id=owner.tenant_id,
                identity=owner.identity,
                epoch=owner.epoch,
                deadline=self._clock.now().timestamp() + _CANCEL_S,
                issuer=self._bus.worker_id,
                command_id=CommandId(str(command.id)),
            )
            await self._bus.deliver(owner.worker, envelope)
            await waiter.wait(_CANCEL_S)

    async def _until_ended(
        self, tenant_id: TenantId, command: CommandRecord, waiter: Waiter, seconds: float
    ) -> CommandRecord:
        """Return a command of the tenant once it is terminal, or as it is after `seconds`."""
        deadline = self._clock.monotonic() + seconds
        while command.state in OPEN_COMMAND_STATES and (left := deadline - self._clock.monotonic()) > 0:
            # Only the issuing worker is told of the end, and only while the bus works: others look again.
            await waiter.wait(min(left, _REREAD_S))
            ended = waiter.ended
            is_meant = ended is not None and (ended.id, ended.tenant_id) == (command.id, tenant_id)
            command = ended if ended is not None and is_meant else await self._get(tenant_id, command.id)
        return command

    async def _get(self, tenant_id: TenantId, command_id: UUID) -> CommandRecord:
        command = await read_command(self._database.reads, tenant_id, command_id)
        if command is None:
            raise NotFound(f"There is no command {command_id}.")
        return command

    async def _reap_and_pause(self) -> float:
        try:
            await self.reap()
        except StoreUnavailable:
            log.warning("commands_not_reaped")
        return _REAP_S
