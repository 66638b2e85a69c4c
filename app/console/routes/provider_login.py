"""Log in by the identity provider that the operator has set."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from app.console.access import ConsoleRoute, address_of, start_session
from app.console.rendering import HEADERS, ROOT
from app.console.routes.login import HOME, Logins, login_page_with
from app.errors import Conflict, TooManyRequests, Unauthorized, Unavailable
from app.users.challenges import CHALLENGE_LIFE
from app.users.provider_logins import ProviderLogins
from app.web.paths import origin_of
from app.web.services import provided

_PATH: Final = f"{ROOT}/login/provider"
_COOKIE: Final = "stationmaster_provider"
_LONGEST: Final = 4096

router = APIRouter(prefix=_PATH, route_class=ConsoleRoute)

_Provider = Annotated[ProviderLogins, Depends(provided(ProviderLogins))]


@router.get("")
async def begin(request: Request, provider: _Provider) -> Response:
    """Send the browser to the identity provider."""
    try:
        place, sealed = await provider.begin(_return_to(request), address_of(request))
    except (Unauthorized, Unavailable, TooManyRequests) as error:
        return login_page_with(request, error)
    response = RedirectResponse(place, 303, dict(HEADERS))
    response.set_cookie(
        _COOKIE,
        sealed,
        max_age=int(CHALLENGE_LIFE.total_seconds()),
        path=_PATH,
        secure=origin_of(request).startswith("https:"),
        httponly=True,
        # The browser comes back from another site.
        samesite="lax",
    )
    return response


@router.get("/return")
async def finish(
    request: Request, provider: _Provider, logins: Logins, state: str = "", code: str = "", error: str = ""
) -> Response:
    """Log in the person whom the identity provider has sent back."""
    sealed = request.cookies.get(_COOKIE, "")
    try:
        if error or not code or len(code) + len(state) > _LONGEST:
            raise Unauthorized("The identity provider has not let you in.")
        login = await provider.finish(sealed, state, code, _return_to(request), address_of(request))
    except (Conflict, Unauthorized, Unavailable, TooManyRequests) as refusal:
        response = login_page_with(request, refusal)
    else:
        response = start_session(request, login, HOME, logins.session_longest_s)
    response.delete_cookie(_COOKIE, path=_PATH)
    return response


def _return_to(request: Request) -> str:
    return f"{origin_of(request)}{_PATH}/return"
