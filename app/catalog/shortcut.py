"""The shortest ways: to a document by one look-up before all routes, or past the whole application."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.catalog.document_routes import ALLOWED_METHODS, DocumentRoute, route_path
from app.catalog.documents import Document


def documents_of(routes: Iterable[BaseRoute]) -> dict[str, Document]:
    """Every document that the routes serve, by path."""
    found: dict[str, Document] = {}
    for route in routes:
        if isinstance(route, DocumentRoute):
            found.update(route.documents)
    return found


class DocumentLookup(BaseRoute):
    """A route that finds any document by one look-up, before the patterns of other routes are tried.

    It takes GET and HEAD without a query, and leaves everything else to the documented routes behind it.
    """

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self._documents = documents

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match what is known and plainly asked for."""
        if (
            scope["type"] == "http"
            and not scope["query_string"]
            and route_path(scope) in self._documents
            and scope["method"] in ALLOWED_METHODS
        ):
            return Match.FULL, {}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the document."""
        await self._documents[route_path(scope)].send(scope, send)


class DocumentsFirst(FastAPI):
    """An application that answers documents, and some sockets, before its middleware and routing begin.

    documents: by path, e.g. `documents_of(routes)`. They are public and never change, so that nothing which
    middleware does (credentials, limits, errors) concerns them. A path that is not written exactly so, with
    a percent sign for instance, takes the ordinary way, as do a query and every other method.
    sockets: routes whose WebSockets the middleware does not concern either; it knows HTTP only.
    """

    def __init__(self, documents: Mapping[str, Document], **options: Any) -> None:
        super().__init__(**options)
        self._documents = {path.encode(): document for path, document in documents.items()}
        self.sockets: list[BaseRoute] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once, or run the application."""
        if (
            scope["type"] == "http"
            and (document := self._documents.get(scope.get("raw_path") or b"")) is not None
            and not scope["query_string"]
            and scope["method"] in ALLOWED_METHODS
        ):
            await document.send(scope, send)
            return
        if scope["type"] == "websocket":
            for route in self.sockets:
                if route.matches(scope)[0] is Match.FULL:
                    await route.handle(scope, receive, send)
                    return
        await super().__call__(scope, receive, send)
