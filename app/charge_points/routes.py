"""`/v1/charge-points`: the charge points of a tenant, their connectors, credentials and live state."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.charge_points.records import (
    NOT_CONNECTED,
    ChargePointFilter,
    ChargePointRecord,
    NewChargePointFacts,
)
from app.charge_points.schemas import (
    CHARGE_POINT_LIVE_FIELDS,
    ChargePoint,
    ChargePointChange,
    ChargePointCreate,
    Connector,
    Connectors,
    Credential,
    NewChargePoint,
    charge_point_fields,
    connector_fields,
    operator_fields,
)
from app.charge_points.service import ChargePointService, MintedCredential
from app.errors import NotFound
from app.ocpp.v16 import RegistrationStatus
from app.quirks.records import Device
from app.quirks.routes import QuirkProfiles
from app.quirks.schemas import AppliedHabit, ChargePointQuirks
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    encoded_page_response,
    encoded_response,
    entity_tag,
    require_match,
    resource_response,
    secret_response,
)
from app.web.inputs import ConnectorIdPath, Identity, IdentityPath, Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import Page, TextKey, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.rows import encoded, encoded_page
from app.web.services import provided

_TAG = Tag(
    "charge-points",
    "Charge points: your settings, what they report, and whether they are connected now.",
)
router = api_router(prefix="/v1/charge-points", tags=[_TAG])

ChargePoints = Annotated[ChargePointService, Depends(provided(ChargePointService))]


class ChargePointQuery(Paging):
    """The query of the list of charge points."""

    prefix: Annotated[
        Identity | SkipJsonSchema[None],
        Field(description="Beginning of the identity; case-sensitive."),
    ] = None
    registration_status: RegistrationStatus | SkipJsonSchema[None] = None


@router.get("", response_model=Page[ChargePoint], responses=problems())
async def list_charge_points(
    access: ReadAccess, charge_points: ChargePoints, query: Annotated[ChargePointQuery, Query()]
) -> Response:
    """List charge points in the order of their identity, each with its live state."""
    after = decode_cursor(query.cursor, TextKey)
    filters = ChargePointFilter(identity_prefix=query.prefix, registration_status=query.registration_status)
    found = await charge_points.page(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(found, query.limit, lambda item: item.row["identity"])
    items = [charge_point_fields(item.row, item.live) for item in page]
    return encoded_page_response(encoded_page(items, next_cursor))


@router.post(
    "",
    response_model=NewChargePoint,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(ChargePointCreate),
)
async def create_charge_point(
    access: WriteAccess,
    charge_points: ChargePoints,
    body: Annotated[ChargePointCreate, Depends(json_body(ChargePointCreate))],
) -> Response:
    """Create a charge point. Its password is in this answer, and is never shown again."""
    record, minted = await charge_points.create(access.tenant_id, NewChargePointFacts(**dict(body)))
    shown = NewChargePoint(
        charge_point=ChargePoint.of(record, NOT_CONNECTED),
        credential=None if minted is None else _shown(minted),
    )
    return secret_response(shown, location("/v1/charge-points", record.identity))


@router.get("/{identity}", response_model=ChargePoint, responses=problems(304, 404))
async def get_charge_point(
    access: ReadAccess,
    charge_points: ChargePoints,
    identity: IdentityPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one charge point with its live state, whichever worker holds its socket."""
    found = await charge_points.get(access.tenant_id, identity)
    fields = charge_point_fields(found.row, found.live)
    return encoded_response(encoded(fields), operator_fields(fields), if_none_match=if_none_match)


@router.patch(
    "/{identity}",
    response_model=ChargePoint,
    responses=problems(404, 412, body=True),
    openapi_extra=body_of(ChargePointChange),
)
async def change_charge_point(
    access: WriteAccess,
    charge_points: ChargePoints,
    identity: IdentityPath,
    body: Annotated[ChargePointChange, Depends(json_body(ChargePointChange))],
    if_match: IfMatch = None,
) -> Response:
    """Change a charge point (merge patch, RFC 7396). A new registration status applies from its next boot."""

    def compare(record: ChargePointRecord) -> None:
        require_match(if_match, entity_tag(ChargePoint.of(record, NOT_CONNECTED), CHARGE_POINT_LIVE_FIELDS))

    record = await charge_points.change(access.tenant_id, identity, body.changes(), compare)
    live = await charge_points.live(access.tenant_id, identity)
    return resource_response(ChargePoint.of(record, live), live_fields=CHARGE_POINT_LIVE_FIELDS)


@router.delete("/{identity}", status_code=204, responses=problems(404, 409))
async def delete_charge_point(
    access: WriteAccess, charge_points: ChargePoints, identity: IdentityPath
) -> Response:
    """Delete a charge point and close its connection. It is kept if it has billing records."""
    await charge_points.delete(access.tenant_id, identity)
    return Response(status_code=204)


@router.post("/{identity}/credentials", response_model=Credential, status_code=201, responses=problems(404))
async def replace_credentials(
    access: WriteAccess, charge_points: ChargePoints, identity: IdentityPath
) -> Response:
    """Generate a new password and show it once. The old password and its connection end at once."""
    return secret_response(_shown(await charge_points.replace_credential(access.tenant_id, identity)))


@router.get("/{identity}/connectors", response_model=Connectors, responses=problems(304, 404))
async def list_connectors(
    access: ReadAccess,
    charge_points: ChargePoints,
    identity: IdentityPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the connectors that a charge point has reported. Connector 0 is the charge point itself."""
    rows = await charge_points.connectors(access.tenant_id, identity)
    content = encoded({"items": [connector_fields(row) for row in rows]})
    return encoded_response(content, if_none_match=if_none_match)


@router.get("/{identity}/connectors/{connector_id}", response_model=Connector, responses=problems(304, 404))
async def get_connector(
    access: ReadAccess,
    charge_points: ChargePoints,
    identity: IdentityPath,
    connector_id: ConnectorIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the newest known state of one connector."""
    for row in await charge_points.connectors(access.tenant_id, identity):
        if row["connector_id"] == connector_id:
            return encoded_response(encoded(connector_fields(row)), if_none_match=if_none_match)
    raise NotFound("The charge point has not reported this connector.", "connector_id")


@router.get("/{identity}/quirks", response_model=ChargePointQuirks, responses=problems(304, 404))
async def get_charge_point_quirks(
    access: ReadAccess,
    charge_points: ChargePoints,
    quirk_profiles: QuirkProfiles,
    identity: IdentityPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read where a charge point differs from the standard, and which quirk profile tells of each habit."""
    row = (await charge_points.get(access.tenant_id, identity)).row
    device = Device(row["vendor"], row["model"], row["firmware_version"])
    applied = await quirk_profiles.applied(access.tenant_id, device)
    shown = ChargePointQuirks(
        **device._asdict(), items=[AppliedHabit.model_validate(habit) for habit in applied]
    )
    return resource_response(shown, if_none_match=if_none_match)


def _shown(minted: MintedCredential) -> Credential:
    path = location("/ocpp", minted.tenant_slug, minted.identity)
    return Credential(username=minted.identity, password=minted.password, path=path)
