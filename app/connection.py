"""What the domain knows of one connection of a charge point. No socket here: sessions live in the gateway."""

from dataclasses import dataclass
from datetime import datetime

from app.clock import microseconds_of, moment_of
from app.ocpp import Conversation
from app.ocpp.v16 import RegistrationStatus
from app.types import ChargePointId, TenantId


@dataclass(slots=True, eq=False)
class Connection:
    """One authenticated connection, from its handshake to its end.

    identity: what the charge point calls itself, decoded; connection_id: unique per socket; epoch: issued by
    SQL at login, grows with each login of this charge point; strict: refuse what tolerance would mend;
    remote: address of the peer; subprotocol: as negotiated, None when the client named none; conversation:
    what reads its frames, once it has a session.
    """

    tenant_id: TenantId
    tenant_slug: str
    charge_point_id: ChargePointId
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
    clock_skew_s: float | None = None
    conversation: Conversation | None = None

    @property
    def last_seen_us(self) -> int:
        """When anything last arrived, in microseconds since 1970."""
        if self.conversation is None:
            return microseconds_of(self.connected_at)
        return self.conversation.heard_us

    @property
    def last_seen(self) -> datetime:
        """When anything last arrived."""
        return moment_of(self.last_seen_us)
