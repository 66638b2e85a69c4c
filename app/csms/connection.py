"""What the domain knows of one connection of a charge point. No socket here: sessions live in the gateway."""

from dataclasses import dataclass
from datetime import datetime

from app.clock import moment_of
from app.ids import ChargePointId, TenantId
from app.store.records import RegistrationStatus


@dataclass(slots=True, eq=False)
class Connection:
    """One authenticated connection, from its handshake to its end.

    identity: what the charge point calls itself, decoded; connection_id: unique per socket; epoch: issued by
    SQL at login, grows with each login of this charge point; strict: refuse what tolerance would mend;
    remote: address of the peer; subprotocol: as negotiated, None when the client named none; last_seen_us:
    when anything last arrived, in microseconds since 1970.
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
    last_seen_us: int
    accepted_before: bool = False
    clock_skew_s: float | None = None

    @property
    def last_seen(self) -> datetime:
        """When anything last arrived."""
        return moment_of(self.last_seen_us)
