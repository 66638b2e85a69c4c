"""One connection of a charge point, as capabilities know it. Its socket belongs to the gateway."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.clock import microseconds_of, moment_of
from app.ocpp import Conversation, Protocol
from app.ocpp.v16 import RegistrationStatus
from app.quirks.records import NO_HABITS, Habits
from app.types import ChargePointId, TenantId


@dataclass(slots=True, eq=False)
class Connection:
    """One authenticated connection, from its handshake to its end.

    Attributes:
        protocol: the version of OCPP that the charge point speaks.
        identity: the name of the charge point in its URL, decoded.
        connection_id: unique for each socket.
        epoch: issued by SQL at login; grows with each login of this charge point.
        strict: whether deviations from the standard are refused. Otherwise they are tolerated.
        remote: the address of the client.
        subprotocol: as negotiated, None if the client offered none.
        accepted_before: whether its registration is or was Accepted, so that it may have billing records.
        booted: whether it has sent a BootNotification on this connection, or was asked for one.
        is_identified: whether its vendor and model are known.
        firmware_version: as it last booted; None: unknown.
        habits: where it differs from the standard, as known at its login or its last boot.
        clock_skew_s: its clock minus ours in seconds, at its last report.
        calls_counted: how many of its CALLs the counts of deviations know.
        conversation: the core's part of the session; None until the session begins.
    """

    tenant_id: TenantId
    tenant_slug: str
    charge_point_id: ChargePointId
    protocol: Protocol
    identity: str
    connection_id: str
    epoch: int
    strict: bool
    registration_status: RegistrationStatus
    heartbeat_interval_s: int
    remote: str
    subprotocol: str | None
    connected_at: datetime
    accepted_before: bool = False
    booted: bool = False
    is_identified: bool = True
    firmware_version: str | None = None
    habits: Habits = NO_HABITS
    clock_skew_s: float | None = None
    calls_counted: int = 0
    conversation: Conversation | None = None

    @property
    def last_seen_us(self) -> int:
        """The time when a frame last arrived, in microseconds since 1970."""
        if self.conversation is None:
            return microseconds_of(self.connected_at)
        return self.conversation.heard_us

    @property
    def last_seen(self) -> datetime:
        """The time when a frame last arrived."""
        return moment_of(self.last_seen_us)


SessionsOver = Callable[[Connection, int | None, Literal["boot", "available"]], Awaitable[None]]
"""Told that the transactions of a connector, or of the charge point (None), are over, and what showed it."""
