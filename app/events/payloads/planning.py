"""Events of what was planned for a connector: reservations, and the limits of its charging profiles."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from app.events.payloads.payload import Payload
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource


class ReservationChangedEvent(Payload):
    """A reservation was asked for, or something about it has changed (OCPP 1.6 5.13)."""

    type = "reservation.changed"

    reservation_id: int = Field(description="Its number on the charge point.")
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: Instant
    state: str = Field(description="As in the resource of the reservation.")
    status: str | None = Field(description="The charge point's own word, such as Occupied.")
    reason: str | None = Field(description="Why it is in this state.")
    transaction_id: int | None = Field(description="The transaction that has used it.")
    conflicts: list[int] = Field(
        description="Transactions of other tags that began on the reserved connector meanwhile."
    )
    issued_by: str
    command_id: UUID | None = Field(description="Its ReserveNow.")
    requested_at: Instant
    reserved_at: Instant | None
    ended_at: Instant | None

    example: ClassVar[Json] = {
        "reservation_id": 7,
        "connector_id": 1,
        "id_tag": "B4A63CDF",
        "parent_id_tag": "FLEET-7",
        "expires_at": "2026-05-04T09:15:30.000Z",
        "state": "reserved",
        "status": "Accepted",
        "reason": None,
        "transaction_id": None,
        "conflicts": [],
        "issued_by": "key:3f9c2a7d41be",
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "requested_at": EXAMPLE_TIME,
        "reserved_at": EXAMPLE_TIME,
        "ended_at": None,
    }


class DriftedLimit(Resource):
    """An interval in which the charge point has another limit. null: no limit."""

    start: Instant
    end: Instant
    ours: float | None = Field(description="The limit by the accepted profiles.")
    reported: float | None = Field(description="The limit by the charge point's own answer.")

    example: ClassVar[Json] = {
        "start": EXAMPLE_TIME,
        "end": "2026-05-04T09:15:30.000Z",
        "ours": 16.0,
        "reported": 32.0,
    }


class ChargingProfileDriftedEvent(Payload):
    """The charge point's own composite schedule has other limits than its accepted profiles (OCPP 1.6 5.7).

    The same difference tells one event, however often the charge point is asked for its schedule.
    """

    type = "charging_profile.drifted"

    connector_id: int = Field(ge=0)
    command_id: UUID = Field(description="The GetCompositeSchedule whose answer showed it.")
    charging_rate_unit: Literal["A", "W"]
    departures: list[DriftedLimit] = Field(description="The first 20.")

    example: ClassVar[Json] = {
        "connector_id": 1,
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "charging_rate_unit": "A",
        "departures": [DriftedLimit.example],
    }
