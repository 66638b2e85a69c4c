"""Guards the `/v1` paths before routing: an encoded slash may not become a path separator.

Servers decode the path before it is routed, so `/charge-points/a%2Fframes` would reach the frames of `a`.
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.problems import invalid_parameter, problem_response

_ENCODED_SEPARATOR = re.compile(rb"%(?:2f|00)", re.IGNORECASE)
_PREFIX = b"/v1/"


class EncodedSlashGuard:
    """ASGI middleware that refuses `%2F` and `%00` in the paths of the API with 422."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        raw_path: bytes = scope.get("raw_path") or b""
        refused = scope["type"] == "http" and _PREFIX in raw_path and _ENCODED_SEPARATOR.search(raw_path)
        if not refused:
            await self._app(scope, receive, send)
            return
        error = invalid_parameter("path", "holds an encoded slash or NUL, which no name here has")
        await problem_response(error)(scope, receive, send)
