"""Values about reservations. A field has the name of its column."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

ReservationState = Literal["requested", "reserved", "used", "expired", "cancelled", "rejected", "unknown"]
"""The life of a reservation. unknown: the answer to ReserveNow was lost, so it may exist or not."""

OPEN_RESERVATIONS: Final[tuple[ReservationState, ...]] = ("requested", "reserved", "unknown")

ReservationOrigin = Literal["reservation", "command"]
"""The request that made it: one for a reservation, or the raw command ReserveNow."""


@dataclass(frozen=True, slots=True)
class ReservationRecord:
    """One ReserveNow, and what became of it.

    id: of the row; reservation_id: of the messages, reused when a reservation is changed; connector_id 0: any
    connector; status: the charge point's own word; reason: of a state that needs one; transaction_id: of the
    start that has used it; conflicts: transactions of other tags on the reserved connector; check_at: when to
    look for a late start, None: not any more.
    """

    id: int
    charge_point_id: int
    reservation_id: int
    connector_id: int
    id_tag: str
    id_tag_key: str
    parent_id_tag: str | None
    parent_key: str | None
    expires_at: datetime
    state: ReservationState
    status: str | None
    reason: str | None
    origin: ReservationOrigin
    issued_by: str
    command_id: UUID | None
    transaction_id: int | None
    conflicts: tuple[int, ...]
    requested_at: datetime
    reserved_at: datetime | None
    ended_at: datetime | None
    check_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it may hold now."""
        return self.state in OPEN_RESERVATIONS


@dataclass(frozen=True, slots=True)
class ShownReservation:
    """A reservation with its charge point, and the last status that its connector has reported."""

    record: ReservationRecord
    identity: str
    connector_status: str | None
    connector_status_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewReservation:
    """A reservation to store; the fields are those of `ReservationRecord`."""

    charge_point_id: int
    reservation_id: int
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: datetime
    requested_at: datetime
    issued_by: str
    origin: ReservationOrigin = "reservation"
    idempotency_key: str | None = None
    request_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReservationFilter:
    """The filters of a listing. identity: of the charge point."""

    identity: str | None = None
    state: ReservationState | None = None
    id_tag: str | None = None


class SeenStart(NamedTuple):
    """A transaction that may have used a reservation. parent_key: of the group that its tag was judged in.

    clock_skew_s: the clock of the charge point minus ours, None: unknown.
    """

    transaction_id: int
    connector_id: int
    id_tag_key: str
    parent_key: str | None
    reservation_id: int | None
    started_at: datetime
    received_at: datetime
    clock_skew_s: float | None


class SeenStatus(NamedTuple):
    """The last status of a connector."""

    connector_id: int
    status: str
    received_at: datetime


class EndedReserveNow(NamedTuple):
    """A reservation whose command has ended, or was never recorded, without an effect on it."""

    tenant_id: int
    id: int
    command_id: UUID | None
    state: str | None
    status: str | None


class PlaceKey(NamedTuple):
    """A charge point whose reservations have to be looked at."""

    tenant_id: int
    charge_point_id: int
