"""Routing for documents: known paths are answered with bytes, FastAPI serves everything else.

There are two ways to a document. `DocumentsFirst` answers before the application's middleware, and
`DocumentRoute` is the documented route behind it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.web.documents import Document
from app.web.exchange import answer_exchange, bind_request_id

_ALLOWED_METHODS = ("GET", "HEAD")


class DocumentRoute(APIRoute):
    """GET and HEAD of documents that are encoded already.

    A known path without a query is answered at once. Every other request to the route (a query, an unknown
    name) runs the documented endpoint. Put the route straight into `app.router.routes`: an included router
    would match it twice, and wrap it so that it loses its purpose.

    Args:
        documents: by full path, without the mount point.
        ignores_query: whether the document is the same for any query, as with a version in the address of a
            style sheet.
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
        """Match a known path by one look-up, and only others by the pattern."""
        if scope["type"] == "http" and _route_path(scope) in self.documents:
            child_scope: Scope = {"endpoint": self.endpoint, "path_params": {}, "route": self}
        else:
            match, child_scope = super().matches(scope)
            if match is Match.NONE:
                return match, child_scope
        return (Match.FULL if scope["method"] in _ALLOWED_METHODS else Match.PARTIAL), child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the document of the path, or run the endpoint.

        Raises:
            HTTPException: 405 for any method but GET and HEAD.
        """
        if scope["method"] not in _ALLOWED_METHODS:
            raise HTTPException(405, headers={"Allow": ", ".join(_ALLOWED_METHODS)})
        has_query = bool(scope["query_string"]) and not self._ignores_query
        document = None if has_query else self.documents.get(_route_path(scope))
        if document is None:
            match, child_scope = super().matches(scope)
            if match is not Match.NONE:
                scope.update(child_scope)
            await self.app(scope, receive, send)
            return
        await document.send(scope, send)


class DocumentsFirst(FastAPI):
    """An application that answers documents, and some sockets, before its middleware and routing begin.

    Documents are public and never change, so middleware (credentials, limits, errors) has nothing to do for
    them. A query, another method, or another spelling of the path (with a percent sign, for instance) goes
    through the whole application.

    Args:
        documents: by path, as `documents_of` returns them.

    Attributes:
        sockets: routes whose WebSockets skip the middleware too, since it handles HTTP only.
    """

    def __init__(self, documents: Mapping[str, Document], **options: Any) -> None:
        super().__init__(**options)
        self._documents = {path.encode(): document for path, document in documents.items()}
        self.sockets: list[BaseRoute] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once, or run the application."""
        if scope["type"] == "http":
            await answer_exchange(self._answer, scope, receive, send)
            return
        if scope["type"] == "websocket":
            for route in self.sockets:
                if route.matches(scope)[0] is Match.FULL:
                    await route.handle(scope, receive, send)
                    return
        await super().__call__(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            (document := self._documents.get(scope.get("raw_path") or b"")) is not None
            and not scope["query_string"]
            and scope["method"] in _ALLOWED_METHODS
        ):
            await document.send(scope, send)
            return
        bind_request_id(scope)
        await super().__call__(scope, receive, send)


def documents_of(routes: Iterable[BaseRoute]) -> dict[str, Document]:
    """Collect every document that the routes serve, by path."""
    found: dict[str, Document] = {}
    for route in routes:
        if isinstance(route, DocumentRoute):
            found.update(route.documents)
    return found


def _route_path(scope: Scope) -> str:
    """Return the path below the mount point, percent-decoded."""
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    return path.removeprefix(root_path) if root_path else path
