"""The person behind a request to the console, with the scope that the route needs, and forms.

A request that changes something must come from a page of this server, and repeat the token of its session.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from app.acting import begin_act
from app.console.rendering import HEADERS, ROOT, page
from app.errors import AppError, FieldViolation, Forbidden, InvalidInput, Unauthorized
from app.types import Scope
from app.users.records import NewLogin, SignedIn
from app.users.rules import is_token
from app.users.service import LoginService
from app.web.access import Authentication
from app.web.json_body import read_bytes
from app.web.paths import origin_of
from app.web.problems import framework_errors, logged_failure
from app.web.services import ServiceRegistry

COOKIE: Final = "stationmaster_session"
_FORM_LIMIT_BYTES: Final = 262_144
_FORM_FIELDS: Final = 500
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
_SAME_SITE: Final = frozenset({"same-origin", "none"})
_ROLE_NEEDED: Final[dict[Scope, str]] = {
    "read": "a viewer",
    "command": "an operator",
    "write": "an operator",
    "admin": "an admin",
}


class NotSignedIn(Unauthorized):
    """There is no session, or it is over."""

    def __init__(self) -> None:
        super().__init__("Log in first.")


def services_of(request: Request) -> ServiceRegistry:
    """Return the services of the worker."""
    registry: ServiceRegistry = request.app.state.services
    return registry


def address_of(request: Request) -> str:
    """Return the address that failed logins count for."""
    return services_of(request).get(Authentication).address_of(request)


def require_own_origin(request: Request) -> None:
    """Refuse a request that a page of another site has sent.

    Raises:
        Forbidden: the browser says that it comes from elsewhere.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_foreign = site is not None and site not in _SAME_SITE
    if is_foreign or (origin is not None and urlsplit(origin).netloc != request.headers.get("host")):
        raise Forbidden("This request came from a page of another site.")


async def form_of(request: Request) -> dict[str, list[str]]:
    """Return the fields of a form, each with its values, and keep them for a second reader.

    Raises:
        BodyTooLarge: the form is too long.
        InvalidInput: it is not a form.
    """
    known: dict[str, list[str]] | None = getattr(request.state, "form", None)
    if known is None:
        content = await read_bytes(request, _FORM_LIMIT_BYTES)
        try:
            known = parse_qs(content.decode(), keep_blank_values=True, max_num_fields=_FORM_FIELDS)
        except ValueError:
            raise InvalidInput([FieldViolation("", "not_a_form", "is not a form")]) from None
        request.state.form = known
    return known


async def field_of(request: Request, name: str) -> str:
    """Return a field of a form; an empty text if it is absent.

    Raises:
        BodyTooLarge, InvalidInput: see `form_of`.
    """
    return (await form_of(request)).get(name, [""])[0]


class _Person:
    """The dependency that finds the person, who must have a scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def __call__(self, request: Request) -> SignedIn:
        """Return the person.

        Raises:
            NotSignedIn: there is no session.
            Forbidden: the role is too low, or the request does not come from a page of the session.
        """
        token = request.cookies.get(COOKIE)
        person = None if not token else await services_of(request).get(LoginService).signed_in(token)
        if person is None:
            raise NotSignedIn
        request.state.person = person
        if self._scope not in person.scopes:
            raise Forbidden(f"Your role is {person.user.role}; this needs {_ROLE_NEEDED[self._scope]}.")
        if request.method not in _SAFE_METHODS:
            require_own_origin(request)
            given = request.headers.get("x-csrf-token") or await field_of(request, "csrf_token")
            if not is_token(given, person.csrf_token):
                raise Forbidden("This page is too old. Load it again, and repeat what you did.")
            begin_act(person.tenant_id, person.actor)
        return person


Viewer = Annotated[SignedIn, Depends(_Person("read"))]
Operator = Annotated[SignedIn, Depends(_Person("command"))]
Admin = Annotated[SignedIn, Depends(_Person("admin"))]


def go_to(path: str) -> Response:
    """Send the browser to another page by GET."""
    return RedirectResponse(path, 303, dict(HEADERS))


def start_session(request: Request, login: NewLogin, path: str, life_s: float) -> Response:
    """Send the browser to a page, with the cookie of a new session. life_s: seconds that it lasts."""
    response = go_to(path)
    is_secure = origin_of(request).startswith("https:")
    response.set_cookie(
        COOKIE, login.token, max_age=int(life_s), path=ROOT, secure=is_secure, httponly=True, samesite="lax"
    )
    return response


class ConsoleRoute(APIRoute):
    """A route whose errors are pages. A visitor without a session is sent to the login."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which turns errors into pages."""
        handle = super().get_route_handler()

        async def handle_errors(request: Request) -> Response:
            try:
                response: Response = await handle(request)
            except NotSignedIn:
                return _to_login(request)
            except RequestValidationError as error:
                return problem_page(request, framework_errors(error))
            except AppError as error:
                return problem_page(request, error)
            except (HTTPException, ClientDisconnect):
                raise
            except Exception as error:
                # The last handler of these pages. That of the API would answer with JSON.
                return problem_page(request, logged_failure(request, error))
            return response

        return handle_errors


def problem_page(request: Request, error: AppError) -> Response:
    """Answer with an error as a page; as a part of one if htmx has asked."""
    person: SignedIn | None = getattr(request.state, "person", None)
    template = "problem_part.html" if "hx-request" in request.headers else "problem.html"
    response = page(request, template, person, {"error": error}, error.status)
    retry_after = error.headers.get("Retry-After")
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


def _to_login(request: Request) -> Response:
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={**HEADERS, "HX-Redirect": f"{ROOT}/login"})
    response = go_to(f"{ROOT}/login")
    if COOKIE in request.cookies:
        response.delete_cookie(COOKIE, path=ROOT)
    return response
