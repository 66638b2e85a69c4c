"""The people of a tenant: for its admins."""

import re
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.console.access import Admin, ConsoleRoute, field_of, go_to
from app.console.rendering import ROOT, page
from app.errors import AppError, FieldViolation, InvalidInput
from app.types import USER_NAME_PATTERN
from app.users.records import CONSOLE_LINKS, Role, SignedIn, UserUpdate
from app.users.service import UserService
from app.web.paths import origin_of
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/users", route_class=ConsoleRoute)

_Users = Annotated[UserService, Depends(provided(UserService))]
_ROLES: tuple[Role, ...] = get_args(Role)


@router.get("")
async def users_page(request: Request, person: Admin, users: _Users) -> Response:
    """Show all users."""
    return await _users_page(request, person, users, {})


@router.post("")
async def create_user(request: Request, person: Admin, users: _Users) -> Response:
    """Create a user, and show the link for the first login once."""
    name = (await field_of(request, "name")).strip().lower()
    try:
        if not re.fullmatch(USER_NAME_PATTERN, name):
            raise InvalidInput(
                [FieldViolation("/name", "not_a_name", "has other characters than a-z, 0-9 and . _ @ + -")]
            )
        await users.create(person.tenant_id, person.actor, name, await _role_of(request))
    except AppError as error:
        fault = error.violations[0].detail if isinstance(error, InvalidInput) else "exists already"
        values = {"name": name, "fault": fault, "status": error.status}
        return await _users_page(request, person, users, values)
    return await _with_link(request, person, users, name)


@router.post("/{name}/link")
async def make_link(request: Request, person: Admin, users: _Users, name: str) -> Response:
    """Make a link that logs a user in, and show it once."""
    return await _with_link(request, person, users, name)


@router.post("/{name}/role")
async def set_role(request: Request, person: Admin, users: _Users, name: str) -> Response:
    """Change the role of a user."""
    await users.change(person.tenant_id, person.actor, name, UserUpdate(role=await _role_of(request)))
    return go_to(f"{ROOT}/users")


@router.post("/{name}/lock")
async def lock_user(request: Request, person: Admin, users: _Users, name: str) -> Response:
    """Lock a user, whose sessions end at once, or let a locked one in again."""
    locked = await field_of(request, "locked") == "true"
    await users.change(person.tenant_id, person.actor, name, UserUpdate(locked=locked))
    return go_to(f"{ROOT}/users")


@router.post("/{name}/delete")
async def delete_user(person: Admin, users: _Users, name: str) -> Response:
    """Delete a user, whose sessions end at once."""
    await users.delete(person.tenant_id, person.actor, name)
    return go_to(f"{ROOT}/users")


async def _role_of(request: Request) -> Role:
    given = await field_of(request, "role")
    for role in _ROLES:
        if role == given:
            return role
    raise InvalidInput([FieldViolation("/role", "unknown_value", "is not a role")])


async def _with_link(request: Request, person: SignedIn, users: UserService, name: str) -> Response:
    token = await users.login_link(person.tenant_id, person.actor, name)
    link = f"{origin_of(request)}{CONSOLE_LINKS}/{token}"
    return await _users_page(request, person, users, {"link": link, "link_of": name})


async def _users_page(
    request: Request, person: SignedIn, users: UserService, given: dict[str, Any]
) -> Response:
    values = {
        "users": await users.list(person.tenant_id),
        "roles": _ROLES,
        "name": "",
        "fault": None,
        "link": None,
        "link_of": "",
        "minutes": round(users.settings.login_link_s / 60),
        **given,
    }
    return page(request, "users.html", person, values, given.get("status", 200))
