"""Errors as `application/problem+json` (RFC 9457), each naming the field at fault, and their OpenAPI texts.

Handlers for everything that can leave a route: our own refusals, the framework's, and, last, our own faults.
"""

import traceback
import uuid
from collections.abc import Iterable, Sequence
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

from app.errors import AppError, Conflict, FieldViolation, InvalidInput

MEDIA_TYPE = "application/problem+json"
_FOREIGN_KEY_VIOLATION = "23503"
_LOCATIONS_OF_PARAMETERS = frozenset({"query", "path", "header", "cookie"})
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_pattern_mismatch": "holds characters that are not allowed here, or has the wrong length",
}
_log = structlog.get_logger("app.web")


class FieldError(BaseModel):
    """One member of the body (`pointer`) or one parameter (`parameter`) at fault."""

    model_config = ConfigDict(frozen=True)

    pointer: str | None = Field(default=None, description="JSON pointer (RFC 6901) into the request body.")
    parameter: str | None = Field(default=None, description="Name of the path, query or header parameter.")
    code: str = Field(description="Name of the broken rule.")
    detail: str = Field(description="What is wrong with the value.")


class Problem(BaseModel):
    """An error as RFC 9457 describes it."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="A URN made of the code.")
    title: str = Field(description="The same for each error of this code.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time.")
    code: str = Field(description="Stable name of the error: what programs should look at.")
    field: str | None = Field(default=None, description="The first field at fault, if one is.")
    errors: list[FieldError] | None = Field(default=None, description="Every field at fault.")
    instance: str | None = Field(default=None, description="Id of this occurrence in the server's log.")


class MalformedBody(AppError):
    """The body is no JSON text."""

    def __init__(self) -> None:
        super().__init__("malformed_json", 400, "Malformed JSON", "The request body is not valid JSON.")


class BodyTooLarge(AppError):
    """The body is longer than its route takes."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            "content_too_large", 413, "Content too large", f"The body may have {limit_bytes} bytes at most."
        )


class UnsupportedMediaType(AppError):
    """The body is not declared as JSON."""

    def __init__(self) -> None:
        super().__init__(
            "unsupported_media_type",
            415,
            "Unsupported media type",
            "Send JSON, with Content-Type: application/json.",
            "Content-Type",
        )


def invalid_parameter(name: str, detail: str, code: str = "invalid_parameter") -> InvalidInput:
    """The refusal of one path, query or header parameter."""
    return InvalidInput([FieldViolation(name, code, detail)])


def _pointer(location: Sequence[str | int]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in location)


def _violation(fault: Any, pointer: str) -> FieldViolation:
    """One finding of pydantic in our words. The value itself stays out: it may be a secret."""
    rule: str = fault["type"]
    detail = str(fault["msg"]).removeprefix("Value error, ")
    return FieldViolation(_readable(pointer), rule, _MESSAGES.get(rule, detail))


def _readable(text: str) -> str:
    """Text that leaves as UTF-8 whatever the caller named the member at fault."""
    return text.encode("utf-8", "replace").decode()[:200]


def body_errors(error: ValidationError) -> InvalidInput:
    """The refusal of a body, each finding by its JSON pointer."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)[:50]
    return InvalidInput([_violation(fault, _pointer(fault["loc"])) for fault in faults])


def _framework_errors(error: RequestValidationError) -> InvalidInput:
    found: list[FieldViolation] = []
    for fault in error.errors()[:50]:
        location = fault["loc"]
        if fault["type"] == "none_required":
            # The other branch of a parameter that may be left out: says nothing.
            continue
        if location[0] in _LOCATIONS_OF_PARAMETERS:
            found.append(_violation(fault, str(location[1])))
        else:
            found.append(_violation(fault, _pointer(location[1:])))
    return InvalidInput(found)


def _named_errors(error: InvalidInput) -> list[dict[str, str]]:
    """`pointer` into the body or `parameter`, told apart by the leading slash of a JSON pointer."""
    return [
        {
            "pointer" if not found.pointer or found.pointer.startswith("/") else "parameter": found.pointer,
            "code": found.code,
            "detail": found.detail,
        }
        for found in error.violations
    ]


def problem_response(error: AppError) -> Response:
    """The answer for one refusal."""
    document = error.problem()
    if isinstance(error, InvalidInput):
        document["errors"] = _named_errors(error)
    headers = {"Cache-Control": "no-store", **error.headers}
    return Response(orjson.dumps(document), error.status, headers, MEDIA_TYPE)


async def _app_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 - Starlette hands over the class it was registered for
    return problem_response(error)


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return problem_response(_framework_errors(error))


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    phrase = HTTPStatus(error.status_code).phrase
    details = {
        404: "Nothing is served at this path.",
        405: f"{request.method} is not served at this path; Allow names what is.",
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
    """Every method that is served at the path: the router names those of the first route only."""
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    served = []
    for method in methods:
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
            served.append(method)
    return sorted(served)


async def _integrity_error(request: Request, error: Exception) -> Response:
    """Two callers at once: what one refers to, the other has just deleted."""
    if getattr(getattr(error, "orig", error), "sqlstate", None) == _FOREIGN_KEY_VIOLATION:
        return problem_response(Conflict("What this belongs to was deleted a moment ago."))
    return await _last(request, error)


async def _gone(_: Request, error: Exception) -> Response:
    """The client has hung up inside its request: nobody reads this, and nobody is to blame."""
    return Response(status_code=400)


async def _last(request: Request, error: Exception) -> Response:
    """A fault of ours: the log has the stack under an id, the caller has the id."""
    occurrence = uuid.uuid4().urn
    # As text made here: a renderer of the log could add local variables, and with them a secret.
    stack = "".join(traceback.format_exception(error))
    _log.error(
        "request_failed", method=request.method, path=request.url.path, instance=occurrence, exception=stack
    )
    document = AppError(
        "internal_error", 500, "Internal error", "The server failed; its log has the reason."
    ).problem()
    return Response(orjson.dumps({**document, "instance": occurrence}), 500, media_type=MEDIA_TYPE)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of the application as `application/problem+json`."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(IntegrityError, _integrity_error)
    app.add_exception_handler(asyncpg.IntegrityConstraintViolationError, _integrity_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _last)


Documented = Literal[304, 400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503]

_EXAMPLES: dict[int, tuple[str, dict[str, Any]]] = {
    400: ("The body is not JSON.", {"code": "malformed_json", "title": "Malformed JSON"}),
    401: (
        "No API key, or one that is unknown, expired or revoked.",
        {"code": "unauthorized", "title": "Unauthorized", "detail": "A valid API key is needed."},
    ),
    403: ("The key lacks the scope.", {"code": "forbidden", "title": "Forbidden"}),
    404: ("It does not exist, or it is another tenant's.", {"code": "not_found", "title": "Not found"}),
    409: ("The present state forbids it.", {"code": "conflict", "title": "Conflict"}),
    412: ("If-Match names another state.", {"code": "precondition_failed", "title": "Precondition failed"}),
    413: ("The body is too long.", {"code": "content_too_large", "title": "Content too large"}),
    415: ("The body is not JSON by its Content-Type.", {"code": "unsupported_media_type"}),
    422: (
        "A parameter or a member of the body breaks a rule; `errors` names each.",
        {
            "code": "invalid_input",
            "title": "Invalid input",
            "detail": "limit: Input should be less than or equal to 200",
            "field": "limit",
            "errors": [
                {
                    "parameter": "limit",
                    "code": "less_than_equal",
                    "detail": "Input should be less than or equal to 200",
                }
            ],
        },
    ),
    429: ("A limit was hit; Retry-After says when to come back.", {"code": "too_many_requests"}),
    503: ("The store or the command bus does not answer.", {"code": "store_unavailable"}),
}


def documented(status: int) -> dict[str, Any]:
    """The OpenAPI text of one error response."""
    if status == 304:
        return {"description": "The ETag you sent is still current; no body."}
    description, given = _EXAMPLES[status]
    example = {
        "type": f"urn:stationmaster:error:{given['code']}",
        "title": HTTPStatus(status).phrase.capitalize(),
        "status": status,
        "detail": description,
        **given,
    }
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    response: dict[str, Any] = {"description": description, "content": {MEDIA_TYPE: content}}
    headers = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
    if status in headers:
        response["headers"] = {headers[status]: {"schema": {"type": "string"}}}
    return response


def problems(*statuses: Documented, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: what every route with a key may answer, and the named ones.

    body: the route reads a JSON body.
    """
    always: Iterable[int] = (401, 403, 422, 429, 503)
    of_body: Iterable[int] = (400, 413, 415) if body else ()
    return {status: documented(status) for status in sorted({*always, *of_body, *statuses})}
