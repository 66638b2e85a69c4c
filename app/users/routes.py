"""`/v1/users`: the people of the tenant, who use the console."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Path, Request
from starlette.responses import Response

from app.users.records import CONSOLE_LINKS, SCOPES_OF_ROLES, UserRecord, UserUpdate
from app.users.schemas import NewUser, User, UserChange, UserCreate, UserName
from app.users.service import UserService
from app.web.access import TenantAdminAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    entity_tag,
    page_response,
    require_match,
    resource_response,
    secret_response,
)
from app.web.inputs import PagingQuery
from app.web.json_body import body_of, json_body
from app.web.pagination import Page, cut_page, decode_cursor
from app.web.paths import location, origin_of
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag("users", "The people of the tenant, who use the console: their roles, and who is kept out.")
router = api_router(prefix="/v1/users", tags=[_TAG])

Users = Annotated[UserService, Depends(provided(UserService))]
NamePath = Annotated[UserName, Path(description="Name of the user.", examples=["ann@example.com"])]


@router.get("", response_model=Page[User], responses=problems())
async def list_users(access: TenantAdminAccess, users: Users, paging: PagingQuery) -> Response:
    """List the users in the order of their names."""
    after = decode_cursor(paging.cursor, str)
    rows = [row for row in await users.list(access.tenant_id) if after is None or row.name > after]
    page, next_cursor = cut_page(rows, paging.limit, lambda row: row.name)
    return page_response(Page[User](items=[User.of(row) for row in page], next_cursor=next_cursor))


@router.post(
    "",
    response_model=NewUser,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(UserCreate),
)
async def create_user(
    request: Request,
    access: TenantAdminAccess,
    users: Users,
    body: Annotated[UserCreate, Depends(json_body(UserCreate))],
) -> Response:
    """Create a user. The link for the first login is in this answer, and is never shown again."""
    access.principal.require_held(sorted(SCOPES_OF_ROLES[body.role]), "/role")
    record, token = await users.create_with_link(access.tenant_id, access.issued_by, body.name, body.role)
    made = NewUser(
        **User.of(record).model_dump(),
        login_link=f"{origin_of(request)}{CONSOLE_LINKS}/{token}",
        login_link_expires_at=record.created_at + timedelta(seconds=users.settings.login_link_s),
    )
    return secret_response(made, location("/v1/users", body.name))


@router.get("/{user_name}", response_model=User, responses=problems(304, 404))
async def get_user(
    access: TenantAdminAccess, users: Users, user_name: NamePath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one user."""
    record = await users.get(access.tenant_id, user_name)
    return resource_response(User.of(record), if_none_match=if_none_match)


@router.patch(
    "/{user_name}",
    response_model=User,
    responses=problems(404, 409, 412, body=True),
    openapi_extra=body_of(UserChange),
)
async def change_user(
    access: TenantAdminAccess,
    users: Users,
    user_name: NamePath,
    body: Annotated[UserChange, Depends(json_body(UserChange))],
    if_match: IfMatch = None,
) -> Response:
    """Change the role of a user, or lock the user (merge patch, RFC 7396). It counts at once.

    409 means that the tenant would have no admin left who may log in.
    """

    def compare(record: UserRecord) -> None:
        require_match(if_match, entity_tag(User.of(record)))

    change = UserUpdate(**body.changes())
    if change.role is not None:
        access.principal.require_held(sorted(SCOPES_OF_ROLES[change.role]), "/role")
    record = await users.change(access.tenant_id, access.issued_by, user_name, change, compare)
    return resource_response(User.of(record))


@router.delete("/{user_name}", status_code=204, responses=problems(404, 409))
async def delete_user(access: TenantAdminAccess, users: Users, user_name: NamePath) -> Response:
    """Delete a user, whose sessions end at once. 409 means that it is the last admin."""
    await users.delete(access.tenant_id, access.issued_by, user_name)
    return Response(status_code=204)
