"""Log in by a link or a password, and log out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.console.access import (
    COOKIE,
    ConsoleRoute,
    Viewer,
    address_of,
    field_of,
    go_to,
    require_own_origin,
    services_of,
    start_session,
)
from app.console.rendering import ROOT, page
from app.errors import AppError, NotFound, TooManyRequests, Unauthorized
from app.users.provider_logins import ProviderLogins
from app.users.service import LoginService
from app.web.services import provided

router = APIRouter(prefix=ROOT, route_class=ConsoleRoute)

Logins = Annotated[LoginService, Depends(provided(LoginService))]
HOME = f"{ROOT}/fleet"
_LONGEST_FIELD = 300


@router.get("")
@router.get("/")
async def home(person: Viewer) -> Response:
    """Go to the first screen."""
    return go_to(HOME)


@router.get("/login")
async def login_page(request: Request, tenant: str = "") -> Response:
    """Show the form of a login."""
    return _login_page(request, tenant[:40], "", None)


@router.post("/login")
async def log_in(request: Request, logins: Logins) -> Response:
    """Log in by a password."""
    require_own_origin(request)
    tenant = (await field_of(request, "tenant")).strip().lower()[:_LONGEST_FIELD]
    name = (await field_of(request, "name")).strip().lower()[:_LONGEST_FIELD]
    password = await field_of(request, "password")
    try:
        login = await logins.by_password(tenant, name, password, address_of(request))
    except (Unauthorized, TooManyRequests) as error:
        return _login_page(request, tenant, name, error)
    return start_session(request, login, HOME, logins.session_longest_s)


@router.get("/links/{token}")
async def link_page(request: Request, token: str) -> Response:
    """Show the button that uses a link. A preview of the link in a messenger does not use it."""
    return page(request, "link.html", None, {"token": token, "error": None})


@router.post("/links/{token}")
async def use_link(request: Request, token: str, logins: Logins) -> Response:
    """Log in by a link."""
    require_own_origin(request)
    try:
        login = await logins.by_link(token, address_of(request))
    except (NotFound, Unauthorized, TooManyRequests) as error:
        return page(request, "link.html", None, {"token": token, "error": error}, error.status)
    return start_session(request, login, HOME, logins.session_longest_s)


@router.post("/logout")
async def log_out(request: Request, person: Viewer, logins: Logins) -> Response:
    """End this session."""
    await logins.log_out(request.cookies[COOKIE])
    return _logged_out()


@router.post("/logout-everywhere")
async def log_out_everywhere(person: Viewer, logins: Logins) -> Response:
    """End all sessions of the person."""
    await logins.log_out_everywhere(person)
    return _logged_out()


def _logged_out() -> Response:
    response = go_to(f"{ROOT}/login")
    response.delete_cookie(COOKIE, path=ROOT)
    return response


def login_page_with(request: Request, error: AppError) -> Response:
    """Show the form of a login with the reason why another way in was refused."""
    return _login_page(request, "", "", error)


def _login_page(request: Request, tenant: str, name: str, error: AppError | None) -> Response:
    has_provider = services_of(request).get(ProviderLogins).provider is not None
    values = {"tenant": tenant, "name": name, "error": error, "has_provider": has_provider}
    return page(request, "login.html", None, values, 200 if error is None else error.status)
