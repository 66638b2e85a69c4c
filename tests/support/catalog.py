"""An application with only the routes of the catalog: no database, Redis or key."""

from collections.abc import AsyncIterator, Iterable, Mapping

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute

from app.catalog.catalog import Catalog, ProtocolCatalog, load_catalog
from app.catalog.pages.rendering import FurtherPage
from app.catalog.pages.routes import page_routes
from app.catalog.routes.protocols import catalog_routes
from app.web.document_routes import DocumentsFirst, documents_of
from app.web.problems import install_error_handlers
from tests.support.protocol import OCPP16, OCPP21, OCPP201

ROOT = "/v1/protocols/ocpp-16j"


def build_application(
    catalog: Catalog,
    *,
    documents_first: bool = True,
    further: Iterable[BaseRoute] = (),
    pages: Mapping[str, FurtherPage] | None = None,
) -> FastAPI:
    """Return an application that serves this catalog, as `app.main` does.

    documents_first: answer documents before the middleware of the application; otherwise only by its routes.
    further, pages: of other packages.
    """
    routes = [*catalog_routes(catalog, None, further), *page_routes(catalog, further=pages)]
    application = DocumentsFirst(documents_of(routes) if documents_first else {})
    application.router.routes[:0] = routes
    install_error_handlers(application)
    return application


def load_described_catalog() -> Catalog:
    """Load the catalog with every definition, as `app.main` does."""
    return load_catalog({"v16": OCPP16, "v201": OCPP201, "v21": OCPP21})


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_described_catalog()


@pytest.fixture(scope="session")
def protocol(catalog: Catalog) -> ProtocolCatalog:
    return catalog.protocols["ocpp-16j"]


@pytest.fixture(scope="session", params=[True, False], ids=["documents first", "routes alone"])
def application(catalog: Catalog, request: pytest.FixtureRequest) -> FastAPI:
    """Run a test with both ways to answer a document. Both must behave the same."""
    return build_application(catalog, documents_first=bool(request.param))


@pytest.fixture
async def client(application: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client that sends only the headers of a test, so no Accept-Encoding by default."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://catalog", headers={"Accept-Encoding": ""}
    ) as client:
        yield client
