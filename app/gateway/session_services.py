"""The services that all sessions of a worker share. Makes the core's part of a session."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.clock import Clock, SystemClock
from app.connection import Connection
from app.deviations.recorder import DeviationRecorder
from app.frame_log.recorder import FrameLog
from app.gateway.dispatch import Dispatcher
from app.gateway.tenant_quotas import TenantQuotas
from app.ocpp import Conversation, Dispatch, Resolve
from app.transactions.ledger import Ledger


class CommandResults(Protocol):
    """Records what became of our CALLs, and what they led to. No method but `resolved` waits."""

    def sent(self, connection: Connection, unique_id: str) -> None:
        """Record that a CALL has gone to the socket."""

    async def resolved(self, connection: Connection, resolve: Resolve) -> None:
        """Record how a CALL ended."""

    def received(self, connection: Connection, call: Dispatch) -> None:
        """Note a CALL of the charge point that may be the effect of a command."""


class HasDeadlines(Protocol):
    """A session that has deadlines."""

    def expire_calls(self) -> bool:
        """End CALLs whose deadline has passed. Return False if no deadline is left to watch."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The limits of one charge point. Sizes are in UTF-8 bytes; the queues count waiting CALLs."""

    frame_bytes: int
    frame_unregistered_bytes: int
    inbound_queue: int
    rate_per_s: float
    rate_burst: int
    command_queue: int


@dataclass(frozen=True, slots=True)
class SessionServices:
    """The services that all sessions of a worker share.

    watch_deadlines: calls `expire_calls` of a session from now on, until it returns False.
    """

    ledger: Ledger
    frame_log: FrameLog
    dispatcher: Dispatcher
    commands: CommandResults
    deviations: DeviationRecorder
    clock: Clock
    limits: SessionLimits
    quotas: TenantQuotas
    watch_deadlines: Callable[[HasDeadlines], None]
    call_later: Callable[[float, Callable[[], None]], object]


def new_conversation(
    connection: Connection, services: SessionServices, *, is_framed: bool, inflates: bool
) -> Conversation:
    """Make the core's part of a new connection.

    is_framed: the transport writes frames as bytes, and does not frame texts itself; inflates: the peer may
    compress its messages.
    """
    limits = services.limits
    return Conversation(
        connection.protocol,
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
        counters=services.quotas.counters_of(connection.tenant_id),
        frames=services.frame_log.buffer,
        # The core needs the time for each frame, so it reads the system clock itself.
        clock=None if isinstance(services.clock, SystemClock) else services.clock,
    )
