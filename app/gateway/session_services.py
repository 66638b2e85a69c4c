"""What all sessions of a worker share, and the conversation that each of them gets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.clock import Clock, SystemClock
from app.csms.connection import Connection
from app.csms.dispatch import Dispatcher
from app.ocpp import Conversation, Counters, Resolve, ocpp16
from app.store.database import Database


class CommandResults(Protocol):
    """Who is told what became of our CALLs."""

    def sent(self, connection: Connection, unique_id: str) -> None:
        """Record that a CALL has gone to the socket."""

    async def resolved(self, connection: Connection, resolve: Resolve) -> None:
        """Record how a CALL ended."""


class Ticking(Protocol):
    """A session, as far as deadlines go."""

    def tick(self) -> bool:
        """End CALLs that are overdue; False: no deadline is left to watch."""


class Watcher(Protocol):
    """Who calls `tick` of a session while it has a deadline."""

    def watch(self, session: Ticking) -> None:
        """Call `tick` from now on, until it returns False."""


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

    database: Database
    dispatcher: Dispatcher
    commands: CommandResults
    clock: Clock
    limits: SessionLimits
    counters: Counters
    watcher: Watcher
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
        meters=services.database.ledger.meters,
        counters=services.counters,
        frames=services.database.frame_log.buffer,
        # Asked for the time with each frame, the core looks itself.
        clock=None if isinstance(services.clock, SystemClock) else services.clock,
    )
