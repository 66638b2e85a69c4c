"""Takes the envelopes of the command bus, and acts on the sessions. Nothing here waits for a socket."""

from typing import assert_never

from app.clock import Clock
from app.commands.rules import Outcome
from app.commands.service import Commands
from app.gateway.registry import LiveSession, Registry
from app.live.command_bus import CommandBus
from app.live.envelopes import (
    CallEnvelope,
    CancelEnvelope,
    DoneEnvelope,
    Envelope,
    EvictEnvelope,
    MovedEnvelope,
)
from app.metrics import BUS_MESSAGES
from app.tasks import PeriodicTask

_TICK_S = 1.0

_CALL_OUTLIVES_S = 600.0
"""Seconds that a request to cancel is remembered for a call that has not arrived. No call lives longer."""


class Inbox:
    """Acts on the envelopes that this worker receives."""

    def __init__(self, registry: Registry, commands: Commands, bus: CommandBus, clock: Clock) -> None:
        self._registry = registry
        self._commands = commands
        self._journal = commands.journal
        self._custody = commands.journal.custody
        self._bus = bus
        self._clock = clock
        self._ticker: PeriodicTask | None = None

    async def start(self) -> None:
        """Receive envelopes from now on."""
        await self._bus.start(self.receive)
        self._ticker = PeriodicTask(self._tick, "inbox_ticker")

    async def close(self) -> None:
        """Stop receiving envelopes."""
        if self._ticker is not None:
            await self._ticker.stop()
            self._ticker = None
        await self._bus.close()

    def receive(self, envelope: Envelope) -> None:
        """Act on one envelope. A second delivery of it has no effect."""
        match envelope:
            case CallEnvelope():
                self._call(envelope)
            case CancelEnvelope():
                self._cancel(envelope)
            case EvictEnvelope():
                self._registry.evict_older(envelope)
            case MovedEnvelope():
                self._commands.moved(envelope)
            case DoneEnvelope():
                self._commands.done(envelope)
            case _:
                assert_never(envelope)

    def withdraw_overdue(self) -> None:
        """Remove commands from the queues of the links that were not sent in time. They end as `expired`."""
        for held in self._custody.overdue(self._clock.now().timestamp()):
            session = self._registry.get(held.tenant_id, held.identity)
            if session is not None and session.withdraw(held.command_id):
                self._journal.end_soon(held, Outcome("expired"))

    def _call(self, envelope: CallEnvelope) -> None:
        session = self._session(envelope)
        if session is None:
            self._journal.report_moved(envelope)
            return
        now = self._clock.now().timestamp()
        # If it is held although its deadline has passed, it was sent in time: this is a second delivery.
        repeated = self._custody.get(envelope.command_id) is not None
        if repeated or not self._custody.admit(envelope.command_id, envelope.deadline, now):
            BUS_MESSAGES.labels("ignored", "repeated").inc()
            return
        held = self._custody.hold(envelope)
        if envelope.deadline < now:
            self._journal.end_soon(held, Outcome("expired"))
            return
        try:
            session.issue(envelope.command_id, envelope.action, envelope.payload, envelope.timeout_s)
        except ValueError as error:
            # The payload was validated before. The reason is a full queue, a socket that is being closed, or
            # another version of the definition.
            reason = {"code": "NotQueued", "description": str(error)}
            self._journal.end_soon(held, Outcome("expired", error=reason))

    def _cancel(self, envelope: CancelEnvelope) -> None:
        session = self._session(envelope)
        held = self._custody.get(envelope.command_id)
        if held is None or session is None:
            # It is not here, or not any longer. If its call still arrives, it is treated as repeated.
            now = self._clock.now().timestamp()
            unseen = self._custody.admit(envelope.command_id, envelope.deadline + _CALL_OUTLIVES_S, now)
            self._journal.cancelled(envelope, withdrawn=unseen and session is not None)
            return
        withdrawn = held.sent_s is None and session.withdraw(envelope.command_id)
        self._journal.cancelled(envelope, withdrawn=withdrawn)

    def _session(self, envelope: CallEnvelope | CancelEnvelope) -> LiveSession | None:
        session = self._registry.get(envelope.tenant_id, envelope.identity)
        if session is None or session.connection.epoch != envelope.epoch:
            return None
        return session

    async def _tick(self) -> float:
        self.withdraw_overdue()
        return _TICK_S
