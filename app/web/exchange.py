"""Adds a Request-Id to every HTTP answer, and the headers that let pages of other origins read it (CORS).

It runs before the middleware of the application, so that documents and failures have them, too.
"""

import re
import secrets
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from app.client_connections import may_be_last

ANY_ORIGIN: Final = "*"
REQUEST_ID_BYTES: Final = 16
"""Random bytes of an id that is made here. It is sent as hexadecimal digits."""

_SCOPE: Final = "stationmaster.exchange"
_WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,99}")
_API_PREFIXES: Final = ("/v1/", "/protocols", "/health")
_API_PATHS: Final = frozenset({"/v1", "/openapi.json", "/llms.txt"})
_PREFLIGHT_MAX_AGE_S: Final = 7200
"""The longest time that browsers keep the answer to a preflight."""
_PREFLIGHT_HEADERS: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
        b"Request-Id",
    ),
    (b"access-control-max-age", str(_PREFLIGHT_MAX_AGE_S).encode()),
    (b"cache-control", b"no-store"),
)
_EXPOSED: Final = (
    b"access-control-expose-headers",
    b"Allow, ETag, Location, RateLimit, RateLimit-Policy, Request-Id, Retry-After, WWW-Authenticate",
)


class Exchange:
    """One request and its answer.

    Attributes:
        request_id: the id that the answer and the log have.
        allowed_origins: whose pages may read the answer, by the setting of the caller's tenant. None: no
            caller has shown a key, so the answer has nothing of a tenant, and every page may read it.
        limits: headers that tell the state of the limits that the request has counted for.
        answering: called when the answer begins.
    """

    __slots__ = ("allowed_origins", "answering", "limits", "request_id")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.allowed_origins: Collection[str] | None = None
        self.limits: Mapping[str, str] = {}
        self.answering: Callable[[], None] | None = None


def restrict_origins(scope: Scope, allowed: Collection[str]) -> None:
    """Let only pages of these origins read the answer to this request. `*` names every origin."""
    exchange: Exchange | None = scope.get(_SCOPE)
    if exchange is not None:
        exchange.allowed_origins = allowed


def tell_limits(scope: Scope, headers: Mapping[str, str]) -> None:
    """Add the state of limits to the answer to this request."""
    exchange: Exchange | None = scope.get(_SCOPE)
    if exchange is not None:
        exchange.limits = headers


def call_at_answer(scope: Scope, answering: Callable[[], None]) -> None:
    """Have something called when the answer to this request begins."""
    exchange: Exchange | None = scope.get(_SCOPE)
    if exchange is not None:
        exchange.answering = answering


async def answer_exchange(application: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run an application for one HTTP request, and add to its answer what every answer has."""
    given = origin = b""
    is_preflight = False
    for name, value in scope["headers"]:
        if name == b"request-id":
            given = value
        elif name == b"origin":
            origin = value
        elif name == b"access-control-request-method":
            is_preflight = scope["method"] == "OPTIONS"
    request_id = given if _WELL_FORMED.fullmatch(given) else secrets.token_hex(REQUEST_ID_BYTES).encode()
    scope[_SCOPE] = exchange = Exchange(request_id.decode())
    is_shared = _is_of_api(scope["path"])

    async def send_completed(message: Message) -> None:
        if message["type"] == "http.response.start":
            if exchange.answering is not None:
                exchange.answering()
            headers = [*message.get("headers", ()), (b"request-id", request_id)]
            if message["status"] == HTTPStatus.TOO_MANY_REQUESTS and may_be_last(scope):
                headers.append((b"connection", b"close"))
            headers += [(name.lower().encode(), text.encode()) for name, text in exchange.limits.items()]
            if is_shared:
                headers += _sharing(exchange.allowed_origins, origin)
            message = {**message, "headers": headers}
        await send(message)

    if is_preflight and origin and is_shared:
        await _answer_preflight(send, request_id)
        return
    await application(scope, receive, send_completed)


def bind_request_id(scope: Scope) -> None:
    """Give every record of the log from here on, in this task, the id of the request."""
    bind_contextvars(request_id=scope[_SCOPE].request_id)


def _is_of_api(path: str) -> bool:
    return path.startswith(_API_PREFIXES) or path in _API_PATHS


def _sharing(allowed: Collection[str] | None, origin: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers that let a page read the answer. origin: of the page; empty if there is none.

    A public answer has them always, because a cache may keep it and send it to a page.
    """
    if allowed is None:
        return [(b"access-control-allow-origin", b"*"), _EXPOSED]
    varying = (b"vary", b"Origin")
    if origin and (ANY_ORIGIN in allowed or origin.decode("latin-1") in allowed):
        return [(b"access-control-allow-origin", origin), _EXPOSED, varying]
    return [varying]


async def _answer_preflight(send: Send, request_id: bytes) -> None:
    """Allow every page to ask: a preflight has no key, so the tenant is not known before the request."""
    headers = [*_PREFLIGHT_HEADERS, (b"request-id", request_id)]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
