"""Reservations of connectors: list, make and cancel them."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field
from starlette.responses import Response

from app.console.access import ConsoleRoute, Operator, Viewer, field_of, go_to
from app.console.forms import Cursor, QueryText, Refusal, input_of, refusal_of, time_of
from app.console.rendering import ROOT, page, query_text
from app.errors import AppError
from app.reservations.records import ReservationFilter, ReservationState
from app.reservations.schemas import ReservationCreate
from app.reservations.service import ReservationService, ReserveOptions, WantedReservation
from app.users.records import SignedIn
from app.web.inputs import DIGITS, INTEGER_MAXIMUM, IdentityPath
from app.web.pagination import LargeIntegerKey, cut_page, decode_cursor
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/reservations", route_class=ConsoleRoute)

_Reservations = Annotated[ReservationService, Depends(provided(ReservationService))]
_Number = Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM), DIGITS, Path()]
_ADDRESS: Final = f"{ROOT}/reservations"
_PAGE_SIZE: Final = 50
_WAIT_S: Final = 3.0
"""How long a page waits for the answer of a charge point."""
_STATES: Final[tuple[ReservationState, ...]] = get_args(ReservationState)
_FIELDS: Final = ("charge_point", "connector_id", "id_tag", "expires_at", "force")


@dataclass(frozen=True, slots=True)
class ReservationListQuery:
    """The parameters that narrow the list. An empty one does not."""

    charge_point: QueryText = ""
    state: ReservationState | Literal[""] = ""
    cursor: Cursor = None


@router.get("")
async def reservations_page(
    request: Request,
    person: Viewer,
    reservations: _Reservations,
    query: Annotated[ReservationListQuery, Depends()],
) -> Response:
    """Show the reservations."""
    return await _reservations_page(request, person, reservations, query, {}, Refusal())


@router.post("")
async def make_reservation(request: Request, person: Operator, reservations: _Reservations) -> Response:
    """Reserve a connector for a tag."""
    given = {name: (await field_of(request, name)).strip() for name in _FIELDS}
    number = given["connector_id"]
    values = {
        "connector_id": int(number)
        if number.isdecimal() and len(number) < len(str(INTEGER_MAXIMUM))
        else number,
        "id_tag": given["id_tag"],
        "expires_at": time_of(given["expires_at"]),
        "force": given["force"] == "true",
    }
    try:
        wanted = WantedReservation(**dict(input_of(ReservationCreate, values)))
        options = ReserveOptions(person.actor, wait_s=_WAIT_S)
        await reservations.create(person.tenant_id, given["charge_point"], wanted, options)
    except AppError as error:
        refusal = refusal_of(error, _FIELDS)
        return await _reservations_page(request, person, reservations, ReservationListQuery(), given, refusal)
    return go_to(_ADDRESS)


@router.post("/{identity}/{reservation_id}/cancel")
async def cancel_reservation(
    person: Operator, reservations: _Reservations, identity: IdentityPath, reservation_id: _Number
) -> Response:
    """Ask the charge point to cancel a reservation, and show the command that does."""
    await reservations.get(person.tenant_id, identity, reservation_id)
    options = ReserveOptions(person.actor)
    command = await reservations.cancel(person.tenant_id, identity, reservation_id, options)
    return go_to(f"{ROOT}/commands/{command.id}")


async def _reservations_page(
    request: Request,
    person: SignedIn,
    reservations: ReservationService,
    query: ReservationListQuery,
    given: dict[str, str],
    refusal: Refusal,
) -> Response:
    before = decode_cursor(query.cursor, LargeIntegerKey)
    filters = ReservationFilter(query.charge_point.strip() or None, query.state or None)
    rows = await reservations.page(person.tenant_id, _PAGE_SIZE + 1, before, filters)
    shown, cursor = cut_page(rows, _PAGE_SIZE, lambda row: row.record.id)
    narrowed = {"charge_point": query.charge_point, "state": query.state}
    values: dict[str, Any] = {
        "reservations": shown,
        "states": _STATES,
        "narrowed": narrowed,
        "next_address": f"{_ADDRESS}?{query_text({**narrowed, 'cursor': cursor})}" if cursor else None,
        "given": {**dict.fromkeys(_FIELDS, ""), "connector_id": "1", **given},
        "refusal": refusal,
        "curl_path": f"/v1/reservations?{query_text({**narrowed, 'limit': _PAGE_SIZE})}",
    }
    return page(request, "reservations.html", person, values, refusal.status)
