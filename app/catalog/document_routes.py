"""A FastAPI route that answers known paths with bytes, and keeps FastAPI for everything else.

A path that is in `documents`, without a query, is answered at once: no request object, no dependency solving,
no encoding. Every other request to the route (a query, an unknown name) runs the documented endpoint.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import HTTPException
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from app.catalog.documents import Document

ALLOWED_METHODS = ("GET", "HEAD")


def route_path(scope: Scope) -> str:
    """The path below the mount point, percent-decoded."""
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    return path.removeprefix(root_path) if root_path else path


class DocumentRoute(APIRoute):
    """GET and HEAD of pre-encoded documents.

    documents: by full path (without the mount point). ignores_query: the document is the same for any query,
    as with a version in the address of a style sheet. Put the route straight into `app.router.routes`: an
    included router would wrap it, match it twice and lose what it is for.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Awaitable[Response]],
        *,
        documents: Mapping[str, Document],
        ignores_query: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(path, endpoint, **options)
        self.documents = documents
        self._ignores_query = ignores_query

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match by one look-up; by pattern only what the look-up does not know."""
        if scope["type"] == "http" and route_path(scope) in self.documents:
            child_scope: Scope = {"endpoint": self.endpoint, "path_params": {}, "route": self}
        else:
            match, child_scope = super().matches(scope)
            if match is Match.NONE:
                return match, child_scope
        return (Match.FULL if scope["method"] in ALLOWED_METHODS else Match.PARTIAL), child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the document of the path, or run the endpoint.

        Raises:
            HTTPException: 405 for any method but GET and HEAD.
        """
        if scope["method"] not in ALLOWED_METHODS:
            raise HTTPException(405, headers={"Allow": ", ".join(ALLOWED_METHODS)})
        asked = bool(scope["query_string"]) and not self._ignores_query
        document = None if asked else self.documents.get(route_path(scope))
        if document is None:
            match, child_scope = super().matches(scope)
            if match is not Match.NONE:
                scope.update(child_scope)
            await self.app(scope, receive, send)
            return
        await document.send(scope, send)
