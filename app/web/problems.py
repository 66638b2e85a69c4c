"""Errors as `application/problem+json` (RFC 9457), and what OpenAPI says of them.

The handlers here answer everything that a route can raise: our refusals, those of the framework, and our own
failures. The body of every error is `AppError.problem()`.
"""

import re
import traceback
import uuid
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

import asyncpg
import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from app.errors import (
    PROBLEM_MEDIA_TYPE,
    AppError,
    Conflict,
    EventsExpired,
    FieldViolation,
    Forbidden,
    InvalidInput,
    NotFound,
    StoreUnavailable,
    TooManyRequests,
    Unauthorized,
)
from app.web.conditional import PreconditionFailed
from app.web.route_index import match_of
from app.web.surplus_slashes import without_slash
from app.web.wording import reworded, words_of

_FOREIGN_KEY_VIOLATION = "23503"
_MISSING_IN = re.compile(r'is not present in table "(\w+)"')
_LOCATIONS_OF_PARAMETERS = frozenset({"query", "path", "header", "cookie"})
_log = structlog.get_logger("app.web")


class FieldError(BaseModel):
    """One member of the body (`pointer`) or one parameter (`parameter`) that breaks a rule."""

    model_config = ConfigDict(frozen=True)

    pointer: str | None = Field(default=None, description="JSON pointer (RFC 6901) into the request body.")
    parameter: str | None = Field(default=None, description="Name of the path, query or header parameter.")
    code: str = Field(description="Name of the broken rule.")
    detail: str = Field(description="What is wrong with the value.")


class Problem(BaseModel):
    """An error as RFC 9457 describes it."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="A URN that ends with `code`.")
    title: str = Field(description="Short text, the same for each error with this `code`.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request.")
    code: str = Field(description="Stable name of the error. Programs should look at it.")
    field: str | None = Field(default=None, description="The first field that breaks a rule, if one does.")
    errors: list[FieldError] | None = Field(default=None, description="Every field that breaks a rule.")
    instance: str | None = Field(default=None, description="Id of this occurrence in the server's log.")


class MalformedBody(AppError):
    """The body is not JSON."""

    def __init__(self, content: bytes) -> None:
        super().__init__(
            "malformed_json",
            400,
            "Malformed JSON",
            "The request body is not valid JSON." if content else "The body is empty: it must be an object.",
        )


class BodyTooLarge(AppError):
    """The body is longer than its route accepts."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            "content_too_large", 413, "Content too large", f"The body is longer than {limit_bytes} bytes."
        )


class UnsupportedMediaType(AppError):
    """Content-Type does not say that the body is JSON."""

    def __init__(self) -> None:
        super().__init__(
            "unsupported_media_type",
            415,
            "Unsupported media type",
            "Send JSON, with Content-Type: application/json.",
            "Content-Type",
        )


def invalid_parameter(name: str, detail: str, code: str = "invalid_parameter") -> InvalidInput:
    """Make the refusal of one path, query or header parameter."""
    return InvalidInput([FieldViolation(name, code, detail)])


def pointer_token(step: str | int) -> str:
    """Escape a member name or an index for use in a JSON pointer (RFC 6901 3)."""
    return str(step).replace("~", "~0").replace("/", "~1")


def _pointer(location: Sequence[str | int]) -> str:
    # A fault of the name of a member is marked behind it. The pointer names the member.
    steps = location[:-1] if location and location[-1] == "[key]" else location
    return "".join(f"/{pointer_token(step)}" for step in steps)


def unknown_parameter(name: str) -> InvalidInput:
    """Make the refusal of a query parameter that the route does not have."""
    return invalid_parameter(_readable(name), "is not a known parameter", "extra_forbidden")


def _violation(fault: Any, pointer: str) -> FieldViolation:
    return FieldViolation(_readable(pointer), fault["type"], words_of(fault))


def _readable(text: str) -> str:
    """Return text that can be sent as UTF-8, whatever the caller named the member."""
    return text.encode("utf-8", "replace").decode()[:200]


def body_errors(error: ValidationError) -> InvalidInput:
    """Make the refusal of a body, each finding with its JSON pointer."""
    faults = error.errors(include_url=False)[:50]
    return InvalidInput([_violation(fault, _pointer(fault["loc"])) for fault in faults])


def framework_errors(error: RequestValidationError) -> InvalidInput:
    """Turn what the framework refuses into our words."""
    found: list[FieldViolation] = []
    for fault in error.errors()[:50]:
        location = fault["loc"]
        if fault["type"] == "none_required":
            # The other branch of an optional parameter: it adds nothing.
            continue
        if location[0] not in _LOCATIONS_OF_PARAMETERS:
            found.append(_violation(fault, _pointer(location[1:])))
        elif fault["type"] == "extra_forbidden":
            found.extend(unknown_parameter(str(location[1])).violations)
        else:
            found.append(_violation(fault, str(location[1])))
    return InvalidInput(found)


def problem_response(error: AppError) -> Response:
    """Answer with one error."""
    headers = {"Cache-Control": "no-store", **error.headers}
    return Response(orjson.dumps(error.problem()), error.status, headers, PROBLEM_MEDIA_TYPE)


async def _app_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 - Starlette passes the class that was registered
    return problem_response(error)


async def _invalid_input(_: Request, error: Exception) -> Response:
    """Answer with the same words for the same mistake, whichever part of the server has found it."""
    assert isinstance(error, InvalidInput)  # noqa: S101 - as above
    return problem_response(InvalidInput([reworded(found) for found in error.violations]))


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return await _invalid_input(request, framework_errors(error))


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    if error.status_code == 404 and _is_served_without_slash(request):
        return without_slash(request)
    phrase = HTTPStatus(error.status_code).phrase
    details = {
        404: "Nothing is served at this path.",
        405: f"{request.method} is not served at this path. The header Allow lists what is.",
    }
    detail = details.get(error.status_code, str(error.detail))
    response = problem_response(
        AppError(phrase.lower().replace(" ", "_"), error.status_code, phrase.capitalize(), detail)
    )
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(_allowed_methods(request))
    return response


def _allowed_methods(request: Request) -> list[str]:
    """List every method that is served at the path; the router names those of the first route only."""
    methods = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
    scope = request.scope
    return [each for each in methods if match_of(request.app, {**scope, "method": each}) is Match.FULL]


def _is_served_without_slash(request: Request) -> bool:
    """Say whether the path is one of a route but for slashes at its end, whatever the method."""
    path = request.scope["path"]
    if not request.scope["raw_path"].endswith(b"/") or path.startswith("//"):
        return False
    return match_of(request.app, {**request.scope, "path": path.rstrip("/")}) is not Match.NONE


async def _integrity_error(request: Request, error: Exception) -> Response:
    """Answer 409 if another caller has just deleted what the request refers to."""
    if getattr(getattr(error, "orig", error), "sqlstate", None) == _FOREIGN_KEY_VIOLATION:
        return problem_response(Conflict(f"The {_missing_resource(error)} of this request was just deleted."))
    return await _unexpected_error(request, error)


def _missing_resource(error: Exception) -> str:
    """Return what a foreign key refers to, by the name of its table: `charge_points` is a charge point."""
    cause = getattr(getattr(error, "orig", None), "__cause__", None) or error
    table = _MISSING_IN.search(str(getattr(cause, "detail", "")))
    return "resource" if table is None else table[1].removesuffix("s").replace("_", " ")


async def _client_disconnected(_: Request, error: Exception) -> Response:
    """End a request whose client has disconnected while it was sending: no one reads this answer."""
    return Response(status_code=400)


class InternalError(AppError):
    """The server failed. The log has the stack under the id of the occurrence."""

    def __init__(self, occurrence: str) -> None:
        super().__init__(
            "internal_error", 500, "Internal error", "The server failed; its log has the reason."
        )
        self.occurrence = occurrence

    def problem(self) -> dict[str, Any]:
        """Return the problem document, with the id of the occurrence as `instance`."""
        return {**super().problem(), "instance": self.occurrence}


async def _unexpected_error(request: Request, error: Exception) -> Response:
    """Log a failure of ours under an id, and answer with the id."""
    return problem_response(logged_failure(request, error))


def logged_failure(request: Request, error: Exception) -> InternalError:
    """Log a failure of ours under an id, and return the error that tells the id."""
    occurrence = uuid.uuid4().urn
    # As text made here: a renderer of the log could add local variables, and with them a secret.
    stack = "".join(traceback.format_exception(error))
    path, stack = (_without_token(request, text) for text in (request.url.path, stack))
    _log.error("request_failed", method=request.method, path=path, instance=occurrence, exception=stack)
    return InternalError(occurrence)


def _without_token(request: Request, text: str) -> str:
    """Hide the token of a URL that needs no other credential."""
    token: str | None = request.path_params.get("token")
    return text.replace(token, "***") if token else text


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of the application as `application/problem+json`."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(InvalidInput, _invalid_input)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(IntegrityError, _integrity_error)
    app.add_exception_handler(asyncpg.IntegrityConstraintViolationError, _integrity_error)
    app.add_exception_handler(ClientDisconnect, _client_disconnected)
    app.add_exception_handler(Exception, _unexpected_error)


Documented = Literal[304, 400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 429, 503]

_DOCUMENTED: dict[int, tuple[str, AppError]] = {
    400: ("The body is not JSON.", MalformedBody(b"{")),
    401: ("There is no API key, or it is unknown, expired or revoked.", Unauthorized()),
    403: ("The key lacks the scope.", Forbidden("The API key lacks the scope of this operation.")),
    404: (
        "The resource does not exist, or it belongs to another tenant.",
        NotFound("There is no such resource."),
    ),
    409: ("The present state forbids it.", Conflict("The present state forbids it.")),
    410: ("Events behind the cursor were deleted because of their age.", EventsExpired()),
    412: ("If-Match is not the current ETag.", PreconditionFailed()),
    413: ("The body is too long.", BodyTooLarge(65_536)),
    415: ("Content-Type does not say that the body is JSON.", UnsupportedMediaType()),
    422: (
        "A parameter or a member of the body breaks a rule; `errors` names each.",
        invalid_parameter("limit", "is more than 200", "less_than_equal"),
    ),
    429: ("A limit was hit; Retry-After says when to try again.", TooManyRequests("Too many requests.")),
    503: ("The store or the command bus does not answer.", StoreUnavailable()),
}


def documented_error(description: str, error: AppError, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Describe one error response in OpenAPI, with this error as its example. schema: empty for none."""
    content = {**({"schema": schema} if schema else {}), "example": error.problem()}
    return {"description": description, "content": {PROBLEM_MEDIA_TYPE: content}}


def documented(status: int) -> dict[str, Any]:
    """Describe in OpenAPI what routes answer with this status: 304, or an error."""
    if status == 304:
        return {"description": "The ETag you sent is still current. There is no body."}
    response = documented_error(*_DOCUMENTED[status], {"$ref": "#/components/schemas/Problem"})
    headers = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
    if status in headers:
        response["headers"] = {headers[status]: {"schema": {"type": "string"}}}
    return response


def problems(*statuses: Documented, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """Make the `responses` of a route: what every route with a key may answer, and the given ones.

    Args:
        statuses: those that this route may answer besides.
        body: whether the route reads a JSON body.
    """
    always: Iterable[int] = (401, 403, 422, 429, 503)
    of_body: Iterable[int] = (400, 413, 415) if body else ()
    return {status: documented(status) for status in sorted({*always, *of_body, *statuses})}
