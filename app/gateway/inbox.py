"""From the command bus to the sessions: what to do with each envelope. Nothing here awaits a session or the bus."""

from app.clock import Clock
from app.csms.commands import Commands
from app.gateway.registry import Registry
from app.live.command_bus import CommandBus
from app.live.envelopes import Envelope


class Inbox:
    """Receives the envelopes of this worker. Wire it with `await bus.start(inbox.receive)`."""

    def __init__(self, registry: Registry, commands: Commands, bus: CommandBus, clock: Clock) -> None:
        raise NotImplementedError

    def receive(self, envelope: Envelope) -> None:
        """Act on one envelope; a second delivery of a call is dropped."""
        raise NotImplementedError

    def withdraw_overdue(self) -> None:
        """Take commands out of the links' queues that were not sent in time; they end as `expired`."""
        raise NotImplementedError
