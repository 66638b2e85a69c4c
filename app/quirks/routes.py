"""`/v1/quirk-profiles`: the habits of charge points that differ from the standard."""

from typing import Annotated

from fastapi import Depends, Path, Query
from starlette.responses import Response

from app.quirks.records import QuirkProfileRecord
from app.quirks.schemas import (
    PROFILE_NAME_PATTERN,
    QuirkProfile,
    QuirkProfileChange,
    QuirkProfileCreate,
)
from app.quirks.service import QuirkProfileService
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    entity_tag,
    page_response,
    require_match,
    resource_response,
)
from app.web.inputs import Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import Page, TextKey, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

router = api_router(
    prefix="/v1/quirk-profiles",
    tags=[
        Tag(
            "quirk-profiles",
            "Habits of charge points that differ from the standard, by vendor, model and firmware: shipped "
            "ones with their public sources, and your own.",
        )
    ],
)

QuirkProfiles = Annotated[QuirkProfileService, Depends(provided(QuirkProfileService))]
ProfileNamePath = Annotated[
    str, Path(pattern=PROFILE_NAME_PATTERN, description="Name of the quirk profile.", examples=["acme-duo"])
]


@router.get("", response_model=Page[QuirkProfile], responses=problems())
async def list_quirk_profiles(
    access: ReadAccess, profiles: QuirkProfiles, query: Annotated[Paging, Query()]
) -> Response:
    """List your quirk profiles and the shipped ones, by name; without those that yours replace."""
    after = decode_cursor(query.cursor, TextKey)
    found = [
        profile for profile in await profiles.all(access.tenant_id) if after is None or profile.name > after
    ]
    page, next_cursor = cut_page(found[: query.limit + 1], query.limit, lambda profile: profile.name)
    items = [_shown(profile) for profile in page]
    return page_response(Page[QuirkProfile](items=items, next_cursor=next_cursor))


@router.post(
    "",
    response_model=QuirkProfile,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(QuirkProfileCreate),
)
async def create_quirk_profile(
    access: WriteAccess,
    profiles: QuirkProfiles,
    body: Annotated[QuirkProfileCreate, Depends(json_body(QuirkProfileCreate))],
) -> Response:
    """Create a quirk profile.

    Yours come before the shipped ones; then that with more fixed characters in its patterns. Of several that
    state the same habit the first one counts. How stored records are read changes at once, what concerns a
    connection at the next login or boot of a charge point. At most 200.
    """
    made = await profiles.create(access.tenant_id, QuirkProfileRecord(**dict(body)), access.issued_by)
    headers = {"Location": location("/v1/quirk-profiles", made.name)}
    return resource_response(_shown(made), status_code=201, headers=headers)


@router.get("/{profile_name}", response_model=QuirkProfile, responses=problems(304, 404))
async def get_quirk_profile(
    access: ReadAccess,
    profiles: QuirkProfiles,
    profile_name: ProfileNamePath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one quirk profile, yours or a shipped one."""
    profile = await profiles.get(access.tenant_id, profile_name)
    return resource_response(_shown(profile), if_none_match=if_none_match)


@router.patch(
    "/{profile_name}",
    response_model=QuirkProfile,
    responses=problems(404, 409, 412, body=True),
    openapi_extra=body_of(QuirkProfileChange),
)
async def change_quirk_profile(
    access: WriteAccess,
    profiles: QuirkProfiles,
    profile_name: ProfileNamePath,
    body: Annotated[QuirkProfileChange, Depends(json_body(QuirkProfileChange))],
    if_match: IfMatch = None,
) -> Response:
    """Change a quirk profile of yours. `habits` replaces all of its habits."""

    def compare(profile: QuirkProfileRecord) -> None:
        require_match(if_match, entity_tag(_shown(profile)))

    changed = await profiles.change(access.tenant_id, profile_name, body.changes(), access.issued_by, compare)
    return resource_response(_shown(changed))


@router.delete("/{profile_name}", status_code=204, responses=problems(404, 409))
async def delete_quirk_profile(
    access: WriteAccess, profiles: QuirkProfiles, profile_name: ProfileNamePath
) -> Response:
    """Delete a quirk profile of yours. A shipped one of its name holds again."""
    await profiles.delete(access.tenant_id, profile_name, access.issued_by)
    return Response(status_code=204)


def _shown(profile: QuirkProfileRecord) -> QuirkProfile:
    return QuirkProfile.model_validate(profile)
