"""Paths of the API: those of resources, the origin before them, and a guard against encoded slashes.

Servers decode a path before it is routed, so `/charge-points/a%2Fframes` would reach the frames of `a`.
"""

import re
from urllib.parse import quote

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.problems import invalid_parameter, problem_response

_ENCODED_SEPARATOR = re.compile(rb"%(?:2f|00)", re.IGNORECASE)
_PREFIX = b"/v1/"


def location(collection: str, *segments: str) -> str:
    """Return the path of a resource: each segment is encoded whole, so that none can become two."""
    return "/".join([collection, *(quote(segment, safe="") for segment in segments)])


def origin_of(request: Request) -> str:
    """Return the scheme and the host as the client sees them. A proxy that ends TLS tells the scheme."""
    url = request.base_url
    if request.headers.get("x-forwarded-proto") == "https":
        url = url.replace(scheme="https")
    return str(url).rstrip("/")


class EncodedSlashGuard:
    """ASGI middleware that refuses `%2F` and `%00` in the paths of the API with 422."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or run the application."""
        raw_path: bytes = scope.get("raw_path") or b""
        refused = scope["type"] == "http" and _PREFIX in raw_path and _ENCODED_SEPARATOR.search(raw_path)
        if not refused:
            await self._app(scope, receive, send)
            return
        error = invalid_parameter("path", "has an encoded slash or NUL, which names here do not have")
        await problem_response(error)(scope, receive, send)
