"""What all sessions of a worker share, and the conversation that each of them gets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.clock import Clock, SystemClock
from app.connection import Connection
from app.frame_log.recorder import FrameLog
from app.gateway.dispatch import Dispatcher
from app.ocpp import Conversation, Resolve, Tally, ocpp16
from app.transactions.ledger import Ledger


class CommandResults(Protocol):
    """Who is told what became of our CALLs."""

    def sent(self, connection: Connection, unique_id: str) -> None:
        """Record that a CALL has gone to the socket."""

    async def resolved(self, connection: Connection, resolve: Resolve) -> None:
        """Record how a CALL ended."""


class HasDeadlines(Protocol):
    """A session, as far as deadlines go."""

    def expire_calls(self) -> bool:
        """End CALLs that are overdue; False: no deadline is left to watch."""


class DeadlineWatcher(Protocol):
    """Who calls `expire_calls` of a session while it has a deadline."""

    def watch(self, session: HasDeadlines) -> None:
        """Call `expire_calls` from now on, until it returns False."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one charge point may do. bytes are UTF-8 bytes, the queues count CALLs that wait."""

    frame_bytes: int
    frame_unregistered_bytes: int
    inbound_queue: int
    rate_per_s: float
    rate_burst: int
    command_queue: int


@dataclass(frozen=True, slots=True)
class SessionServices:
    """What all sessions of a worker share."""

    ledger: Ledger
    frame_log: FrameLog
    dispatcher: Dispatcher
    commands: CommandResults
    clock: Clock
    limits: SessionLimits
    tally: Tally
    watcher: DeadlineWatcher
    call_later: Callable[[float, Callable[[], None]], object]


def new_conversation(
    connection: Connection, services: SessionServices, *, is_framed: bool, inflates: bool
) -> Conversation:
    """Return the core's side of a new connection.

    is_framed: its transport writes bytes as they are; inflates: the peer may compress its messages.
    """
    limits = services.limits
    return Conversation(
        ocpp16(),
        connection.tenant_id,
        connection.charge_point_id,
        connection.connection_id,
        is_framed=is_framed,
        inflates=inflates,
        strict=connection.strict,
        frame_bytes=limits.frame_bytes,
        unregistered_bytes=limits.frame_unregistered_bytes,
        queue_limit=limits.command_queue,
        rate_per_s=limits.rate_per_s,
        burst=limits.rate_burst,
        meters=services.ledger.meters,
        tally=services.tally,
        frames=services.frame_log.buffer,
        # Asked for the time with each frame, the core looks itself.
        clock=None if isinstance(services.clock, SystemClock) else services.clock,
    )
