"""The reference for the catalog: a Starlette application whose routes return fixed bytes.

Run it with `uvicorn --factory benchmarks.bare_route:application`. `BARE_ROUTE_FILES` names the files with the
bytes, as `path=file` separated by blanks.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

VARIABLE = "BARE_ROUTE_FILES"


def make(documents: Mapping[str, bytes]) -> Starlette:
    """Return an application that answers each path with its bytes."""
    return Starlette(routes=[_route(path, body) for path, body in documents.items()])


def application() -> Starlette:
    """Return the application that the environment describes."""
    pairs = (pair.split("=", 1) for pair in os.environ[VARIABLE].split())
    return make({path: Path(file).read_bytes() for path, file in pairs})


def _route(path: str, body: bytes) -> Route:
    async def endpoint(request: Request) -> Response:
        return Response(body, media_type="application/json")

    return Route(path, endpoint)
