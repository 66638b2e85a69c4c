"""`/v1/charging-profiles`: limits over time, stored under the number that they bear on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from fastapi import Request
from starlette.responses import Response

from app.database.unit_of_work import TenantWork
from app.errors import FieldViolation, InvalidInput, NotFound
from app.smart_charging.calendar import next_clock_change
from app.smart_charging.records import ChargingProfileRecord
from app.smart_charging.schemas.requests import ChargingProfileWrite
from app.smart_charging.schemas.resources import (
    CHARGING_PROFILE_LIVE_FIELDS,
    ChargingProfile,
    ProfileInstallation,
)
from app.smart_charging.store import ChargingProfileStore, InstallationStore
from app.smart_charging.stored_profiles import (
    as_stored,
    judge_calendar,
    judge_profile,
    wire_ids,
    wire_profiles,
)
from app.types import Json
from app.web.access import ReadAccess, ServicesDependency, TenantAccess, WriteAccess
from app.web.computation import compute
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    entity_tag,
    page_response,
    require_match,
    resource_response,
)
from app.web.exact_json import read_exactly
from app.web.examples import CHARGING_PROFILE_WRITE
from app.web.inputs import ChargingProfileIdPath, PagingQuery
from app.web.json_body import body_of, read_bytes, require_json
from app.web.locations import location
from app.web.pagination import IntegerKey, Page, TextKey, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import api_router

router = api_router(prefix="/v1/charging-profiles", tags=["charging-profiles"])

BODY_LIMIT_BYTES = 512 * 1024
"""Ten thousand periods: more than are taken, so that it can be said what is too much."""
_BODY = body_of(ChargingProfileWrite, CHARGING_PROFILE_WRITE)


@dataclass(frozen=True, slots=True)
class _Written:
    """What a caller wants stored: a profile or a calendar, the other is None."""

    description: str
    charging_profile: Json | None = None
    calendar: Json | None = None


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


async def _written(access: TenantAccess, request: Request, now: datetime) -> _Written:
    """The body of a request, judged.

    Raises:
        InvalidInput: the profile or the calendar breaks a rule by itself.
    """
    require_json(request)
    content = await read_bytes(request, BODY_LIMIT_BYTES)
    return await compute(access.tenant_id, partial(_judged, content, now))


def _judged(content: bytes, now: datetime) -> _Written:
    body = read_exactly(ChargingProfileWrite, content)
    if body.calendar is not None:
        calendar = body.calendar.model_dump(by_alias=True)
        _refuse("/calendar", judge_calendar(calendar, now))
        return _Written(body.description, calendar=calendar)
    profile = body.charging_profile or {}
    _refuse("/charging_profile", judge_profile(profile))
    return _Written(body.description, charging_profile=as_stored(profile))


def _refuse(member: str, violations: Sequence[FieldViolation]) -> None:
    if violations:
        raise InvalidInput(
            [FieldViolation(f"{member}{found.pointer}", found.code, found.detail) for found in violations]
        )


async def _existing(
    work: TenantWork, charging_profile_id: int, *, to_change: bool = False
) -> ChargingProfileRecord:
    record = await ChargingProfileStore(work).get(charging_profile_id, to_change=to_change)
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
        rows = await ChargingProfileStore(work).page(query.limit + 1, after)
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
async def create_charging_profile(
    access: WriteAccess, services: ServicesDependency, request: Request
) -> Response:
    """Store a charging profile. Nothing is sent to any charge point."""
    now = services.clock.now()
    wanted = await _written(access, request, now)
    async with services.database.tenant(access.tenant_id) as work:
        record = await ChargingProfileStore(work).create(
            wanted.description, charging_profile=wanted.charging_profile, calendar=wanted.calendar
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
    request: Request,
    if_match: IfMatch = None,
) -> Response:
    """Replace a stored charging profile, in the form it has. Where it is installed it is installed anew."""
    now = services.clock.now()
    wanted = await _written(access, request, now)
    async with services.database.tenant(access.tenant_id) as work:
        known = await _existing(work, charging_profile_id, to_change=True)
        tag = entity_tag(_shown(known, now), CHARGING_PROFILE_LIVE_FIELDS)
        require_match(if_match, tag)
        if (known.calendar is None) is not (wanted.calendar is None):
            member = "/charging_profile" if wanted.calendar is None else "/calendar"
            text = "the form of a stored profile never changes, for the numbers it takes depend on it"
            raise InvalidInput([FieldViolation(member, "form_never_changes", text)])
        record = await ChargingProfileStore(work).replace(
            charging_profile_id,
            wanted.description,
            charging_profile=wanted.charging_profile,
            calendar=wanted.calendar,
        )
        await InstallationStore(work).refresh_soon(charging_profile_id, now)
    shown = _shown(record or known, now)
    return resource_response(shown, live_fields=CHARGING_PROFILE_LIVE_FIELDS)


@router.delete("/{charging_profile_id}", status_code=204, responses=problems(404))
async def delete_charging_profile(
    access: WriteAccess, services: ServicesDependency, charging_profile_id: ChargingProfileIdPath
) -> Response:
    """Delete a stored charging profile. Charge points keep what they have: clear it there."""
    async with services.database.tenant(access.tenant_id) as work:
        if not await ChargingProfileStore(work).delete(charging_profile_id):
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
        rows = await InstallationStore(work).page(
            charging_profile_id, query.limit + 1, after, numbers=numbers
        )
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.identity)
    items = [ProfileInstallation.model_validate(row) for row in page]
    return page_response(Page[ProfileInstallation](items=items, next_cursor=next_cursor))
