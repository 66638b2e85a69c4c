"""The routes of the catalog's pages, of their style sheet and icon, and of paths without a page."""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Final

from fastapi import Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute

from app.catalog.catalog import PAGE_ROOT, Catalog
from app.catalog.pages.rendering import PAGE_HEADERS, FurtherPage, Pages
from app.catalog.pages.twins import SUFFIX, llms_document
from app.catalog.pages.validator_routes import validator_route
from app.catalog.routes.lists import LONGEST_TEXT
from app.catalog.routes.validation import ValidationLimit
from app.catalog.schemas import ProtocolFilter
from app.computation import PUBLIC, compute
from app.web.document_routes import DocumentRoute
from app.web.documents import Document, DocumentResponse
from app.web.surplus_slashes import without_slash

_KEPT_LISTINGS: Final = 64


def page_routes(
    catalog: Catalog,
    limit: ValidationLimit | None = None,
    further: Mapping[str, FurtherPage] | None = None,
) -> list[BaseRoute]:
    """Make every route of the pages, in the order in which they must be matched.

    `/` is redirected to `/protocols`. The routes are not in the OpenAPI document. Put them where a
    `DocumentRoute` must be.

    Args:
        catalog: all protocols.
        limit: how much strangers may have validated; None: the usual limit, by the address of the peer.
        further: pages of other packages, by path.
    """
    pages = Pages(catalog, further)
    limit = limit or ValidationLimit()
    validators = [
        validator_route(pages, protocol, protocol.core, limit)
        for protocol in catalog.protocols.values()
        if protocol.core is not None
    ]
    return [
        *validators,
        _listing_route(pages),
        _pages_route(pages),
        _assets_route(pages.assets()),
        _root_route(),
        _fixed_route(
            "/llms.txt", llms_document(catalog, {path: page.title for path, page in (further or {}).items()})
        ),
        _fixed_route(f"{PAGE_ROOT}{SUFFIX}", pages.markdown(PAGE_ROOT)),
    ]


def _listing_route(pages: Pages) -> DocumentRoute:
    @lru_cache(maxsize=_KEPT_LISTINGS)
    def listing(wanted: ProtocolFilter) -> Document:
        return pages.listing(wanted)

    async def filtered(request: Request) -> Response:
        # A query that a mail client or a search engine has added changes nothing, nor does a wrong value.
        wanted = ProtocolFilter()
        for name in ProtocolFilter.model_fields:
            value = request.query_params.get(name, "")[:LONGEST_TEXT]
            try:
                wanted = ProtocolFilter.model_validate({**dict(wanted), name: value or None})
            except ValidationError:
                continue
        return DocumentResponse(await compute(PUBLIC, partial(listing, wanted)))

    documents = {PAGE_ROOT: pages.documents[PAGE_ROOT]}
    return DocumentRoute(PAGE_ROOT, filtered, documents=documents, include_in_schema=False)


def _pages_route(pages: Pages) -> DocumentRoute:
    documents = {path: document for path, document in pages.documents.items() if path != PAGE_ROOT}

    async def page(request: Request, rest: str) -> Response:
        path = request.url.path
        if path.endswith(SUFFIX) and path.removesuffix(SUFFIX) in pages.documents:
            return DocumentResponse(pages.markdown(path.removesuffix(SUFFIX)))
        if path.endswith("/") and path.rstrip("/") in pages.documents:
            return without_slash(request)
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


def _fixed_route(path: str, document: Document) -> DocumentRoute:
    """Make the route of one document at the root."""

    async def show() -> Response:
        return DocumentResponse(document)

    return DocumentRoute(path, show, documents={path: document}, ignores_query=True, include_in_schema=False)
