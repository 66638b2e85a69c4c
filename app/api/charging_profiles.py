"""`/v1/charging-profiles`: limits over time, stored under the number that they bear on the wire."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from app.api.conditional import (
    IfMatch,
    IfNoneMatch,
    entity_tag,
    page_response,
    require_match,
    resource_response,
)
from app.api.deps import ReadAccess, ServicesDependency, WriteAccess
from app.api.exact_json import exact_json_body
from app.api.examples import CHARGING_PROFILE_WRITE
from app.api.inputs import ChargingProfileIdPath, PagingQuery
from app.api.json_body import body_of
from app.api.locations import location
from app.api.pagination import IntegerKey, Page, TextKey, cut_page, decode_cursor
from app.api.problems import problems
from app.api.requests import ChargingProfileWrite
from app.api.resources import CHARGING_PROFILE_LIVE_FIELDS, ChargingProfile, ProfileInstallation
from app.api.routers import api_router
from app.csms.smart_charging.calendar import next_clock_change
from app.csms.smart_charging.stored_profiles import (
    as_stored,
    judge_calendar,
    judge_profile,
    wire_ids,
    wire_profiles,
)
from app.errors import FieldViolation, InvalidInput, NotFound
from app.store.records import ChargingProfileRecord, Json
from app.store.unit_of_work import TenantWork

router = api_router(prefix="/v1/charging-profiles", tags=["charging-profiles"])

_Body = Annotated[ChargingProfileWrite, Depends(exact_json_body(ChargingProfileWrite))]
_BODY = body_of(ChargingProfileWrite, CHARGING_PROFILE_WRITE)


def _shown(record: ChargingProfileRecord, now: datetime) -> ChargingProfile:
    calendar = record.calendar
    return ChargingProfile(
        id=record.id,
        description=record.description,
        charging_profile=record.charging_profile,
        calendar=calendar,
        profiles=wire_profiles(record, now),
        next_clock_change=None if calendar is None else next_clock_change(calendar["time_zone"], now),
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _judged(body: ChargingProfileWrite, now: datetime) -> tuple[Json | None, Json | None]:
    """The two forms as they are stored, one of them None.

    Raises:
        InvalidInput: the profile or the calendar breaks a rule by itself.
    """
    if body.calendar is not None:
        calendar = body.calendar.model_dump(by_alias=True)
        violations, member = judge_calendar(calendar, now), "/calendar"
        profile = None
    else:
        calendar, profile = None, body.charging_profile or {}
        violations, member = judge_profile(profile), "/charging_profile"
    if violations:
        raise InvalidInput(
            [FieldViolation(f"{member}{found.pointer}", found.code, found.detail) for found in violations]
        )
    return as_stored(profile), calendar


async def _existing(
    work: TenantWork, charging_profile_id: int, *, to_change: bool = False
) -> ChargingProfileRecord:
    record = await work.charging_profiles.get(charging_profile_id, to_change=to_change)
    if record is None:
        raise NotFound("There is no such charging profile.", "charging_profile_id")
    return record


@router.get("", response_model=Page[ChargingProfile], responses=problems())
async def list_charging_profiles(
    access: ReadAccess, services: ServicesDependency, query: PagingQuery
) -> Response:
    """List stored charging profiles in the order of their id."""
    after = decode_cursor(query.cursor, IntegerKey)
    async with services.database.tenant(access.tenant_id) as work:
        rows = await work.charging_profiles.page(query.limit + 1, after)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.id)
    now = services.clock.now()
    items = [_shown(row, now) for row in page]
    return page_response(Page[ChargingProfile](items=items, next_cursor=next_cursor))


@router.post(
    "",
    response_model=ChargingProfile,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=_BODY,
)
async def create_charging_profile(access: WriteAccess, services: ServicesDependency, body: _Body) -> Response:
    """Store a charging profile. Nothing is sent to any charge point."""
    now = services.clock.now()
    profile, calendar = _judged(body, now)
    async with services.database.tenant(access.tenant_id) as work:
        record = await work.charging_profiles.create(
            body.description, charging_profile=profile, calendar=calendar
        )
    headers = {"Location": location("/v1/charging-profiles", str(record.id))}
    return resource_response(
        _shown(record, now), status_code=201, live_fields=CHARGING_PROFILE_LIVE_FIELDS, headers=headers
    )


@router.get("/{charging_profile_id}", response_model=ChargingProfile, responses=problems(304, 404))
async def get_charging_profile(
    access: ReadAccess,
    services: ServicesDependency,
    charging_profile_id: ChargingProfileIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one stored charging profile, with what it is on the wire now."""
    async with services.database.tenant(access.tenant_id) as work:
        record = await _existing(work, charging_profile_id)
    shown = _shown(record, services.clock.now())
    return resource_response(shown, if_none_match=if_none_match, live_fields=CHARGING_PROFILE_LIVE_FIELDS)


@router.put(
    "/{charging_profile_id}",
    response_model=ChargingProfile,
    responses=problems(404, 412, body=True),
    openapi_extra=_BODY,
)
async def replace_charging_profile(
    access: WriteAccess,
    services: ServicesDependency,
    charging_profile_id: ChargingProfileIdPath,
    body: _Body,
    if_match: IfMatch = None,
) -> Response:
    """Replace a stored charging profile, in the form it has. Where it is installed it is installed anew."""
    now = services.clock.now()
    profile, calendar = _judged(body, now)
    async with services.database.tenant(access.tenant_id) as work:
        known = await _existing(work, charging_profile_id, to_change=True)
        tag = entity_tag(_shown(known, now), CHARGING_PROFILE_LIVE_FIELDS)
        require_match(if_match, tag)
        if (known.calendar is None) is not (calendar is None):
            member = "/charging_profile" if calendar is None else "/calendar"
            text = "the form of a stored profile never changes, for the numbers it takes depend on it"
            raise InvalidInput([FieldViolation(member, "form_never_changes", text)])
        record = await work.charging_profiles.replace(
            charging_profile_id, body.description, charging_profile=profile, calendar=calendar
        )
        await work.installations.refresh_soon(charging_profile_id, now)
    shown = _shown(record or known, now)
    return resource_response(shown, live_fields=CHARGING_PROFILE_LIVE_FIELDS)


@router.delete("/{charging_profile_id}", status_code=204, responses=problems(404))
async def delete_charging_profile(
    access: WriteAccess, services: ServicesDependency, charging_profile_id: ChargingProfileIdPath
) -> Response:
    """Delete a stored charging profile. Charge points keep what they have: clear it there."""
    async with services.database.tenant(access.tenant_id) as work:
        if not await work.charging_profiles.delete(charging_profile_id):
            raise NotFound("There is no such charging profile.", "charging_profile_id")
    return Response(status_code=204)


@router.get(
    "/{charging_profile_id}/installations",
    response_model=Page[ProfileInstallation],
    responses=problems(404),
)
async def list_profile_installations(
    access: ReadAccess,
    services: ServicesDependency,
    charging_profile_id: ChargingProfileIdPath,
    query: PagingQuery,
) -> Response:
    """List the charge points that have a stored profile, or may have it, by their identity."""
    after = decode_cursor(query.cursor, TextKey)
    async with services.database.tenant(access.tenant_id) as work:
        record = await _existing(work, charging_profile_id)
        numbers = len(wire_ids(record))
        rows = await work.installations.page(charging_profile_id, query.limit + 1, after, numbers=numbers)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.identity)
    items = [ProfileInstallation.model_validate(row) for row in page]
    return page_response(Page[ProfileInstallation](items=items, next_cursor=next_cursor))
