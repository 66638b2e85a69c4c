"""The catalog's routes in an application of their own: no database, no Redis, no key."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.catalog.catalog import Catalog, ProtocolCatalog, load_catalog
from app.catalog.pages.routes import page_routes
from app.catalog.routes.protocols import catalog_routes
from app.web.document_routes import DocumentsFirst, documents_of
from app.web.problems import install_error_handlers
from tests.support.protocol import OCPP16

ROOT = "/v1/protocols/ocpp-16j"


def build_application(catalog: Catalog, *, documents_first: bool = True) -> FastAPI:
    """An application that serves this catalog, as the composition root puts it in.

    documents_first: answer documents before the application's own middleware; else by its routes alone.
    """
    routes = [*catalog_routes(catalog), *page_routes(catalog)]
    application = DocumentsFirst(documents_of(routes) if documents_first else {})
    application.router.routes[:0] = routes
    install_error_handlers(application)
    return application


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog({"v16": OCPP16})


@pytest.fixture(scope="session")
def protocol(catalog: Catalog) -> ProtocolCatalog:
    return catalog.protocols["ocpp-16j"]


@pytest.fixture(scope="session", params=[True, False], ids=["documents first", "routes alone"])
def application(catalog: Catalog, request: pytest.FixtureRequest) -> FastAPI:
    """Both ways to a document: no test may tell them apart."""
    return build_application(catalog, documents_first=bool(request.param))


@pytest.fixture
async def client(application: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that asks for nothing but what a test says: no Accept-Encoding of its own."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://catalog", headers={"Accept-Encoding": ""}
    ) as client:
        yield client
