"""`/v1/charge-points`: the charge points of a tenant, their connectors, credentials and live state."""

from typing import Annotated

import msgspec
from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.charge_points.fleet_import import FleetImport
from app.charge_points.records import (
    NOT_CONNECTED,
    ChargePointFilter,
    ChargePointRecord,
    LabelTerm,
    NewChargePointFacts,
)
from app.charge_points.schemas import (
    CHARGE_POINT_LIVE_FIELDS,
    ChargePoint,
    ChargePointChange,
    ChargePointCreate,
    ChargePointLabel,
    ChargePointReplacement,
    Credential,
    CredentialImport,
    DeviceText,
    LabelText,
    NewChargePoint,
    charge_point_fields,
    operator_fields,
)
from app.charge_points.service import ChargePointService, MintedCredential
from app.ocpp.v16 import RegistrationStatus
from app.quirks.records import Device
from app.quirks.routes import QuirkProfiles
from app.quirks.schemas import AppliedHabit, ChargePointQuirks
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    PreconditionFailed,
    encoded_page_response,
    encoded_response,
    entity_tag,
    page_response,
    require_match,
    resource_response,
    secret_response,
)
from app.web.inputs import Identity, IdentityPath, Paging, QueryBoolean
from app.web.json_body import body_of, json_body
from app.web.pagination import Page, TextKey, cut_page, decode_cursor, encode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.rows import encoded, encoded_page
from app.web.services import provided
from app.web.wording import LINE_PATTERN

_TAG = Tag(
    "charge-points",
    "Charge points: your settings, what they report, and whether they are connected now.",
)
router = api_router(prefix="/v1/charge-points", tags=[_TAG])
label_router = api_router(prefix="/v1/charge-point-labels", tags=["charge-points"])

ChargePoints = Annotated[ChargePointService, Depends(provided(ChargePointService))]
Fleet = Annotated[FleetImport, Depends(provided(FleetImport))]


_LabelPart = Annotated[str, msgspec.Meta(max_length=255, pattern=LINE_PATTERN)]


class LabelCursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Sort key of the list of labels."""

    key: _LabelPart
    value: _LabelPart


class ChargePointQuery(Paging):
    """The query of the list of charge points."""

    prefix: Annotated[
        Identity | SkipJsonSchema[None],
        Field(description="Beginning of the identity; case-sensitive."),
    ] = None
    registration_status: RegistrationStatus | SkipJsonSchema[None] = None
    search: Annotated[
        DeviceText | SkipJsonSchema[None],
        Field(description="Beginning of the identity or the name; upper and lower case are the same."),
    ] = None
    label: Annotated[
        tuple[LabelText, ...],
        Field(max_length=16, description="`key:value` or `key`. Given several times, all must hold."),
    ] = ()
    vendor: DeviceText | SkipJsonSchema[None] = None
    model: DeviceText | SkipJsonSchema[None] = None
    firmware_version: DeviceText | SkipJsonSchema[None] = None
    connected: Annotated[
        QueryBoolean | SkipJsonSchema[None],
        Field(
            description="Whether it is connected now. A page may then have fewer items than `limit`, or "
            "none, although more follow: go on until `next_cursor` is null."
        ),
    ] = None

    def filters(self) -> ChargePointFilter:
        """Return the filter that the query asks for."""
        return ChargePointFilter(
            identity_prefix=self.prefix,
            registration_status=self.registration_status,
            search=self.search,
            labels=tuple(LabelTerm.of(text) for text in self.label),
            vendor=self.vendor,
            model=self.model,
            firmware_version=self.firmware_version,
            connected=self.connected,
        )


@router.get("", response_model=Page[ChargePoint], responses=problems())
async def list_charge_points(
    access: ReadAccess, charge_points: ChargePoints, query: Annotated[ChargePointQuery, Query()]
) -> Response:
    """List charge points in the order of their identity, each with its live state."""
    after = decode_cursor(query.cursor, TextKey)
    page = await charge_points.narrowed_page(access.tenant_id, query.limit, after, query.filters())
    items = [charge_point_fields(item.row, item.live) for item in page.items]
    next_cursor = None if page.next_after is None else encode_cursor(page.next_after)
    return encoded_page_response(encoded_page(items, next_cursor))


@label_router.get("", response_model=Page[ChargePointLabel], responses=problems())
async def list_labels(
    access: ReadAccess, charge_points: ChargePoints, query: Annotated[Paging, Query()]
) -> Response:
    """List the labels in use by key and value, each with the number of its charge points."""
    after = decode_cursor(query.cursor, LabelCursor)
    found = await charge_points.labels(
        access.tenant_id, query.limit + 1, None if after is None else (after.key, after.value)
    )
    page, next_cursor = cut_page(found, query.limit, lambda label: [label.key, label.value])
    items = [ChargePointLabel.model_validate(label) for label in page]
    return page_response(Page[ChargePointLabel](items=items, next_cursor=next_cursor))


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
    facts = NewChargePointFacts(**dict(body))
    record, minted = await charge_points.create(access.tenant_id, facts, access.issued_by)
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
        require_match(if_match, entity_tag(_offline(record), CHARGE_POINT_LIVE_FIELDS))

    record = await charge_points.change(access.tenant_id, identity, body.changes(), compare, access.issued_by)
    live = await charge_points.live(access.tenant_id, identity)
    return resource_response(ChargePoint.of(record, live), live_fields=CHARGE_POINT_LIVE_FIELDS)


@router.put(
    "/{identity}",
    response_model=ChargePoint,
    responses={201: {"model": ChargePoint, "description": "It is new."}, **problems(412, body=True)},
    openapi_extra=body_of(ChargePointReplacement),
)
async def put_charge_point(
    access: WriteAccess,
    fleet: Fleet,
    charge_points: ChargePoints,
    identity: IdentityPath,
    body: Annotated[ChargePointReplacement, Depends(json_body(ChargePointReplacement))],
    if_match: IfMatch = None,
) -> Response:
    """Create a charge point, or replace all that you set of it. The same request again changes nothing.

    A new one without a key cannot log in until `POST /credentials` has made one.
    """

    def compare(record: ChargePointRecord | None) -> None:
        if if_match is not None and record is None:
            raise PreconditionFailed
        if record is not None:
            require_match(if_match, entity_tag(_offline(record), CHARGE_POINT_LIVE_FIELDS))

    given = {name: getattr(body, name) for name in body.model_fields_set}
    record, is_new = await fleet.put(access.tenant_id, identity, given, compare, access.issued_by)
    live = await charge_points.live(access.tenant_id, identity)
    shown, status = ChargePoint.of(record, live), 201 if is_new else 200
    headers = {"Location": location("/v1/charge-points", identity)} if is_new else None
    return resource_response(shown, live_fields=CHARGE_POINT_LIVE_FIELDS, status_code=status, headers=headers)


@router.delete("/{identity}", status_code=204, responses=problems(404, 409))
async def delete_charge_point(
    access: WriteAccess, charge_points: ChargePoints, identity: IdentityPath
) -> Response:
    """Delete a charge point and close its connection. It is kept if it has billing records."""
    await charge_points.delete(access.tenant_id, identity, access.issued_by)
    return Response(status_code=204)


@router.post("/{identity}/credentials", response_model=Credential, status_code=201, responses=problems(404))
async def replace_credentials(
    access: WriteAccess, charge_points: ChargePoints, identity: IdentityPath
) -> Response:
    """Generate a new password and show it once. The old password and its connection end at once."""
    minted = await charge_points.replace_credential(access.tenant_id, identity, access.issued_by)
    return secret_response(_shown(minted))


@router.put(
    "/{identity}/credentials",
    status_code=204,
    responses=problems(404, body=True),
    openapi_extra=body_of(CredentialImport),
)
async def import_credentials(
    access: WriteAccess,
    fleet: Fleet,
    identity: IdentityPath,
    body: Annotated[CredentialImport, Depends(json_body(CredentialImport))],
) -> Response:
    """Import the AuthorizationKey that the charge point has already. An old password ends at once.

    A key of less than 16 bytes is refused, unless `allow_weak_credential` of the charge point is true.
    """
    await fleet.import_credential(
        access.tenant_id, identity, body.authorization_key, body.form, access.issued_by
    )
    return Response(status_code=204)


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


def _offline(record: ChargePointRecord) -> ChargePoint:
    return ChargePoint.of(record, NOT_CONNECTED)


def _shown(minted: MintedCredential) -> Credential:
    path = location("/ocpp", minted.tenant_slug, minted.identity)
    return Credential(username=minted.identity, password=minted.password, path=path)
