"""`/v1/reservations`, and `/v1/charge-points/{identity}/reservations`: reservations of connectors."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.commands.routes import IssueQuery
from app.commands.rules import OPEN_COMMAND_STATES
from app.commands.schemas import Command
from app.reservations.records import ReservationFilter, ReservationState, ShownReservation
from app.reservations.schemas import Reservation, ReservationChange, ReservationCreate
from app.reservations.service import ReservationService, ReserveOptions, WantedReservation
from app.web.access import CommandAccess, ReadAccess, TenantAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.inputs import DIGITS, INTEGER_MAXIMUM, Identity, IdentityPath, IdTagText, Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided
from app.web.wording import IDEMPOTENCY_KEY_PATTERN

_TAG = Tag("reservations", "Reservations of connectors, from the request to the start that uses them.")
router = api_router(prefix="/v1/reservations", tags=[_TAG])
charge_point_router = api_router(prefix="/v1/charge-points/{identity}/reservations", tags=["reservations"])

_Reservations = Annotated[ReservationService, Depends(provided(ReservationService))]
_NumberPath = Annotated[
    int,
    Field(ge=0, le=INTEGER_MAXIMUM),
    DIGITS,
    Path(description="The OCPP reservationId.", examples=[7]),
]

_IdempotencyKey = Annotated[
    Annotated[str, StringConstraints(pattern=IDEMPOTENCY_KEY_PATTERN)] | SkipJsonSchema[None],
    Header(
        description="Repeat a request safely: the same key and body give the same reservation. The same key "
        "with another request is a conflict (409).",
    ),
]


class ReservationQuery(Paging):
    """How to narrow the listing of reservations."""

    charge_point: Annotated[
        Identity | SkipJsonSchema[None],
        Field(description="The whole identity of the charge point; case-sensitive."),
    ] = None
    state: ReservationState | SkipJsonSchema[None] = None
    id_tag: IdTagText | SkipJsonSchema[None] = None


@router.get("", response_model=Page[Reservation], responses=problems())
async def list_reservations(
    access: ReadAccess, reservations: _Reservations, query: Annotated[ReservationQuery, Query()]
) -> Response:
    """List reservations, the newest first."""
    before = decode_cursor(query.cursor, LargeIntegerKey)
    filters = ReservationFilter(query.charge_point, query.state, query.id_tag)
    rows = await reservations.page(access.tenant_id, query.limit + 1, before, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.record.id)
    return page_response(Page[Reservation](items=[_shown(row) for row in page], next_cursor=next_cursor))


@charge_point_router.post(
    "",
    response_model=Reservation,
    status_code=201,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(ReservationCreate),
)
async def create_reservation(
    access: CommandAccess,
    reservations: _Reservations,
    identity: IdentityPath,
    body: Annotated[ReservationCreate, Depends(json_body(ReservationCreate))],
    query: Annotated[IssueQuery, Query()],
    idempotency_key: _IdempotencyKey = None,
) -> Response:
    """Reserve a connector for an id tag (ReserveNow, OCPP 1.6 5.13).

    The answer of the charge point is a state of the reservation, not an HTTP error. `wait` for it.
    """
    wanted = WantedReservation(**dict(body))
    options = _options(access, query, idempotency_key)
    made = await reservations.create(access.tenant_id, identity, wanted, options)
    path = location("/v1/charge-points", identity, "reservations", str(made.record.reservation_id))
    return resource_response(_shown(made), status_code=201, headers={"Location": path})


@charge_point_router.get("/{reservation_id}", response_model=Reservation, responses=problems(304, 404))
async def get_reservation(
    access: ReadAccess,
    reservations: _Reservations,
    identity: IdentityPath,
    reservation_id: _NumberPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the reservation of this number: the open one, else the newest."""
    found = await reservations.get(access.tenant_id, identity, reservation_id)
    return resource_response(_shown(found), if_none_match=if_none_match)


@charge_point_router.patch(
    "/{reservation_id}",
    response_model=Reservation,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(ReservationChange),
)
async def change_reservation(
    access: CommandAccess,
    reservations: _Reservations,
    identity: IdentityPath,
    reservation_id: _NumberPath,
    body: Annotated[ReservationChange, Depends(json_body(ReservationChange))],
    query: Annotated[IssueQuery, Query()],
) -> Response:
    """Change an open reservation: a ReserveNow with the same number replaces it (OCPP 1.6 5.13).

    Until the charge point has accepted it the earlier one holds.
    """
    changes = {name: value for name, value in body.changes().items() if value is not None}
    if not changes:
        return resource_response(_shown(await reservations.get(access.tenant_id, identity, reservation_id)))
    changed = await reservations.change(
        access.tenant_id, identity, reservation_id, changes, _options(access, query)
    )
    return resource_response(_shown(changed))


@charge_point_router.delete(
    "/{reservation_id}",
    response_model=Command,
    status_code=202,
    responses={
        200: {"model": Command, "description": "With `wait`: the command has ended, in whatever state."},
        **problems(404, 409),
    },
)
async def cancel_reservation(
    access: CommandAccess,
    reservations: _Reservations,
    identity: IdentityPath,
    reservation_id: _NumberPath,
    query: Annotated[IssueQuery, Query()],
) -> Response:
    """Cancel a reservation (CancelReservation, OCPP 1.6 5.1). A number that is unknown here goes out, too."""
    command = await reservations.cancel(access.tenant_id, identity, reservation_id, _options(access, query))
    final = command.state not in OPEN_COMMAND_STATES
    return resource_response(
        Command.model_validate(command),
        status_code=200 if query.wait and final else 202,
        headers={"Location": f"/v1/commands/{command.id}"},
    )


def _options(access: TenantAccess, query: IssueQuery, key: str | None = None) -> ReserveOptions:
    return ReserveOptions(access.issued_by, query.timeout_s, query.wait, key)


def _shown(found: ShownReservation) -> Reservation:
    fields: dict[str, Any] = asdict(found.record)
    fields["conflicts"] = list(found.record.conflicts)
    shown = {name: fields[name] for name in Reservation.model_fields if name in fields}
    return Reservation(
        **shown,
        charge_point=found.identity,
        connector_status=found.connector_status,
        connector_status_at=found.connector_status_at,
    )
