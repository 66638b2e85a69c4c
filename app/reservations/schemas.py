"""The shapes of REST requests and answers about reservations."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from app.reservations.records import ReservationOrigin, ReservationState
from app.web.inputs import INTEGER_MAXIMUM, Change, IdTagText, Input, Time
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

_Connector = Annotated[
    int,
    Field(
        ge=0,
        le=INTEGER_MAXIMUM,
        description="0: any connector, if the charge point reports ReserveConnectorZeroSupported.",
    ),
]
_Tag = Annotated[IdTagText, Field(description="Who may use it: of up to 20 characters.")]
_Parent = Annotated[
    IdTagText | None,
    Field(description="Tags of this group may use it, too. Default: the group of the tag."),
]
_Expiry = Annotated[Time, Field(description="When it ends by itself.")]
_Force = Annotated[bool, Field(description="Reserve for a tag that is unknown, or may not charge there.")]


class Reservation(Resource):
    """A reservation of a connector: one ReserveNow, and what became of it."""

    reservation_id: int = Field(description="Its number on the charge point, which cancels or changes it.")
    charge_point: str = Field(description="Identity of the charge point.")
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: Instant
    state: ReservationState = Field(
        description="`requested`: not answered yet. `unknown`: the answer was lost; a start, a status or "
        "CancelReservation settles it. `rejected`, `cancelled`: `reason` says why."
    )
    status: str | None = Field(description="The charge point's own word, such as Occupied.")
    reason: str | None = Field(
        description="Such as `cancelled`, `replaced`, `faulted`, `unavailable`, `unknown_to_charge_point`, "
        "`offline`, `no_answer`."
    )
    transaction_id: int | None = Field(description="The transaction that has used it.")
    conflicts: list[int] = Field(
        description="Transactions of other tags that began on the reserved connector meanwhile."
    )
    origin: ReservationOrigin = Field(description="`command`: the raw command ReserveNow has made it.")
    issued_by: str
    command_id: UUID | None = Field(description="Its ReserveNow.")
    requested_at: Instant
    reserved_at: Instant | None
    ended_at: Instant | None
    connector_status: str | None = Field(description="Last status of the connector, Reserved for example.")
    connector_status_at: Instant | None

    example: ClassVar[Json] = {
        "reservation_id": 7,
        "charge_point": "RDAM-0123",
        "connector_id": 1,
        "id_tag": "B4A63CDF",
        "parent_id_tag": "FLEET-7",
        "expires_at": "2026-05-04T09:15:30.000Z",
        "state": "reserved",
        "status": "Accepted",
        "reason": None,
        "transaction_id": None,
        "conflicts": [],
        "origin": "reservation",
        "issued_by": "key:3f9c2a7d41be",
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "requested_at": EXAMPLE_TIME,
        "reserved_at": EXAMPLE_TIME,
        "ended_at": None,
        "connector_status": "Reserved",
        "connector_status_at": EXAMPLE_TIME,
    }


class ReservationCreate(Input):
    """A reservation to make."""

    connector_id: _Connector
    id_tag: _Tag
    parent_id_tag: _Parent = None
    expires_at: _Expiry
    force: _Force = False

    example: ClassVar[Json] = {
        "connector_id": 1,
        "id_tag": "B4A63CDF",
        "expires_at": "2026-05-04T09:15:30Z",
    }


class ReservationChange(Change):
    """The fields of an open reservation to change."""

    connector_id: _Connector = 0
    id_tag: _Tag = ""
    parent_id_tag: _Parent = None
    expires_at: _Expiry | None = None
    force: _Force = False

    example: ClassVar[Json] = {"expires_at": "2026-05-04T10:15:30Z"}
