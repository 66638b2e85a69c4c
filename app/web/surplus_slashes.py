"""Leads from a path with slashes at its end to the same path without them."""

from starlette.requests import Request
from starlette.responses import RedirectResponse


def without_slash(request: Request) -> RedirectResponse:
    """Lead to the same path without the slashes at its end, and with its query.

    The place is relative: a Host header is what the client says, and behind a proxy the scheme is not known.
    """
    path = request.scope["raw_path"].decode("latin-1").rstrip("/")
    query = request.scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{path}?{query}" if query else path, 307)
