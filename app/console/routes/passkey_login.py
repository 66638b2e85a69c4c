"""Log in by a passkey, and the cookie of its challenge."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.console.access import ConsoleRoute, address_of, field_of, require_own_origin, start_session
from app.console.rendering import HEADERS, ROOT
from app.console.routes.login import HOME, Logins, login_page_with
from app.errors import TooManyRequests, Unauthorized
from app.users.challenges import CHALLENGE_LIFE
from app.users.passkeys import Options, PasskeyService
from app.web.paths import origin_of
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/login/passkey", route_class=ConsoleRoute)

Passkeys = Annotated[PasskeyService, Depends(provided(PasskeyService))]
CHALLENGE_COOKIE: Final = "stationmaster_challenge"


@router.post("/options")
async def login_options(request: Request, passkeys: Passkeys) -> Response:
    """Answer with what the browser needs to use a passkey."""
    require_own_origin(request)
    return options_response(request, passkeys.login_options(origin_of(request)))


@router.post("")
async def log_in(request: Request, passkeys: Passkeys, logins: Logins) -> Response:
    """Log in by a passkey."""
    require_own_origin(request)
    sealed, credential = request.cookies.get(CHALLENGE_COOKIE, ""), await field_of(request, "credential")
    try:
        login = await passkeys.log_in(origin_of(request), sealed, credential, address_of(request))
    except (Unauthorized, TooManyRequests) as error:
        return login_page_with(request, error)
    return without_challenge(start_session(request, login, HOME, logins.session_longest_s))


def options_response(request: Request, options: Options) -> Response:
    """Answer with the options of the standard, and the challenge in a cookie that scripts cannot read."""
    response = Response(options.text, headers=dict(HEADERS), media_type="application/json")
    response.set_cookie(
        CHALLENGE_COOKIE,
        options.sealed,
        max_age=int(CHALLENGE_LIFE.total_seconds()),
        path=ROOT,
        secure=origin_of(request).startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    return response


def without_challenge(response: Response) -> Response:
    """Let the browser forget a challenge that was used."""
    response.delete_cookie(CHALLENGE_COOKIE, path=ROOT)
    return response
