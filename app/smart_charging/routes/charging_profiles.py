"""`/v1/charging-profiles`: limits over time, stored under the id that they have as charging profiles."""

from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from app.computation import compute
from app.smart_charging.records import ProfileContent
from app.smart_charging.rules.stored_profiles import CurrentProfile
from app.smart_charging.schemas.charging_profiles import (
    CHARGING_PROFILE_LIVE_FIELDS,
    ChargingProfile,
    ChargingProfileWrite,
    ProfileInstallation,
)
from app.smart_charging.service import ChargingProfileService
from app.types import TenantId
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    entity_tag,
    page_response,
    require_match,
    resource_response,
)
from app.web.exact_json import read_exactly
from app.web.inputs import ChargingProfileIdPath, PagingQuery
from app.web.json_body import body_of, read_bytes, require_json
from app.web.pagination import IntegerKey, Page, TextKey, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag(
    "charging-profiles", "Charging profiles: store, install and clear them, and see which are accepted."
)
router = api_router(prefix="/v1/charging-profiles", tags=[_TAG])

BODY_LIMIT_BYTES = 512 * 1024
"""Ten thousand periods: more than are accepted, so that the refusal can say how many are too many."""
_BODY = body_of(ChargingProfileWrite)
_Profiles = Annotated[ChargingProfileService, Depends(provided(ChargingProfileService))]


@router.get("", response_model=Page[ChargingProfile], responses=problems())
async def list_charging_profiles(access: ReadAccess, profiles: _Profiles, query: PagingQuery) -> Response:
    """List stored charging profiles in the order of their id."""
    after = decode_cursor(query.cursor, IntegerKey)
    rows = await profiles.page(access.tenant_id, query.limit + 1, after)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.id)
    items = [ChargingProfile.model_validate(row) for row in page]
    return page_response(Page[ChargingProfile](items=items, next_cursor=next_cursor))


@router.post(
    "",
    response_model=ChargingProfile,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=_BODY,
)
async def create_charging_profile(access: WriteAccess, profiles: _Profiles, request: Request) -> Response:
    """Store a charging profile. Nothing is sent to any charge point."""
    content = await _content(access.tenant_id, request)
    created = await profiles.create(access.tenant_id, content)
    headers = {"Location": location("/v1/charging-profiles", str(created.id))}
    return resource_response(
        ChargingProfile.model_validate(created),
        status_code=201,
        live_fields=CHARGING_PROFILE_LIVE_FIELDS,
        headers=headers,
    )


@router.get("/{charging_profile_id}", response_model=ChargingProfile, responses=problems(304, 404))
async def get_charging_profile(
    access: ReadAccess,
    profiles: _Profiles,
    charging_profile_id: ChargingProfileIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one stored charging profile, with its present OCPP profiles."""
    found = await profiles.get(access.tenant_id, charging_profile_id)
    shown = ChargingProfile.model_validate(found)
    return resource_response(shown, if_none_match=if_none_match, live_fields=CHARGING_PROFILE_LIVE_FIELDS)


@router.put(
    "/{charging_profile_id}",
    response_model=ChargingProfile,
    responses=problems(404, 412, body=True),
    openapi_extra=_BODY,
)
async def replace_charging_profile(
    access: WriteAccess,
    profiles: _Profiles,
    charging_profile_id: ChargingProfileIdPath,
    request: Request,
    if_match: IfMatch = None,
) -> Response:
    """Replace a stored charging profile, in the form it has. It is sent again to where it is installed."""
    content = await _content(access.tenant_id, request)

    def compare(known: CurrentProfile) -> None:
        tag = entity_tag(ChargingProfile.model_validate(known), CHARGING_PROFILE_LIVE_FIELDS)
        require_match(if_match, tag)

    replaced = await profiles.replace(access.tenant_id, charging_profile_id, content, compare)
    shown = ChargingProfile.model_validate(replaced)
    return resource_response(shown, live_fields=CHARGING_PROFILE_LIVE_FIELDS)


@router.delete("/{charging_profile_id}", status_code=204, responses=problems(404))
async def delete_charging_profile(
    access: WriteAccess, profiles: _Profiles, charging_profile_id: ChargingProfileIdPath
) -> Response:
    """Delete a stored charging profile. Charge points keep what they have: clear it there."""
    await profiles.delete(access.tenant_id, charging_profile_id)
    return Response(status_code=204)


@router.get(
    "/{charging_profile_id}/installations",
    response_model=Page[ProfileInstallation],
    responses=problems(404),
)
async def list_profile_installations(
    access: ReadAccess,
    profiles: _Profiles,
    charging_profile_id: ChargingProfileIdPath,
    query: PagingQuery,
) -> Response:
    """List the charge points that have a stored profile, or may have it, by their identity."""
    after = decode_cursor(query.cursor, TextKey)
    rows = await profiles.installations(access.tenant_id, charging_profile_id, query.limit + 1, after)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.identity)
    items = [ProfileInstallation.model_validate(row) for row in page]
    return page_response(Page[ProfileInstallation](items=items, next_cursor=next_cursor))


async def _content(tenant_id: TenantId, request: Request) -> ProfileContent:
    """Read the body of a request.

    Raises:
        InvalidInput: it does not have the shape of a charging profile to store.
    """
    require_json(request)
    content = await read_bytes(request, BODY_LIMIT_BYTES)
    return await compute(tenant_id, partial(_read, content))


def _read(content: bytes) -> ProfileContent:
    body = read_exactly(ChargingProfileWrite, content)
    if body.calendar is not None:
        return ProfileContent(body.description, calendar=body.calendar.model_dump(by_alias=True))
    return ProfileContent(body.description, charging_profile=body.charging_profile or {})
