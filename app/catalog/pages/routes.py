"""The routes of the catalog's pages, of their style sheet and icon, and of paths without a page."""

from collections.abc import Mapping

from fastapi import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute

from app.catalog.catalog import PAGE_ROOT, Catalog
from app.catalog.pages.rendering import PAGE_HEADERS, Pages
from app.web.document_routes import DocumentLookup, DocumentRoute, documents_of
from app.web.documents import Document, DocumentResponse


def page_routes(catalog: Catalog) -> list[BaseRoute]:
    """Make every route of the pages, in the order in which they must be matched.

    `/` is redirected to `/protocols`. The routes are not in the OpenAPI document. Put them where a
    `DocumentRoute` must be.
    """
    pages = Pages(catalog)
    routes: list[BaseRoute] = [_pages_route(pages), _assets_route(pages.assets()), _root_route()]
    return [DocumentLookup(documents_of(routes)), *routes]


def _pages_route(pages: Pages) -> DocumentRoute:
    documents = pages.documents

    async def page(request: Request, rest: str) -> Response:
        path = request.url.path
        if path.endswith("/") and path.rstrip("/") in documents:
            return RedirectResponse(path.rstrip("/"), 307)
        document = documents.get(path)
        if document is not None:
            # A query that a mail client or a search engine has added changes nothing.
            return DocumentResponse(document)
        headers = {name.decode(): value.decode() for name, value in PAGE_HEADERS}
        return HTMLResponse(pages.not_found(path), 404, {"Cache-Control": "no-store", **headers})

    path = f"{PAGE_ROOT}/{{rest:path}}"
    return DocumentRoute(path, page, documents=documents, ignores_query=True, include_in_schema=False)


def _assets_route(assets: Mapping[str, Document]) -> DocumentRoute:
    async def asset(name: str) -> Response:
        return Response(status_code=404, headers={"Cache-Control": "no-store"})

    path = "/assets/console.{name}"
    return DocumentRoute(path, asset, documents=assets, ignores_query=True, include_in_schema=False)


def _root_route() -> DocumentRoute:
    async def root() -> Response:
        return RedirectResponse(PAGE_ROOT, 307)

    nothing: Mapping[str, Document] = {}
    return DocumentRoute("/", root, documents=nothing, include_in_schema=False)
