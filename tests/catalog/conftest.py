"""The catalog's routes in an application of their own: no database, no Redis, no key."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app import ocpp
from app.api.problems import install_error_handlers
from app.console import console_routes
from app.protocols.catalog import Catalog, ProtocolCatalog, load_catalog
from app.protocols.router import catalog_routes

ROOT = "/v1/protocols/ocpp-16j"


def build_application(catalog: Catalog) -> FastAPI:
    """An application that serves this catalog, as the composition root puts it in."""
    application = FastAPI()
    application.router.routes[:0] = [*catalog_routes(catalog), *console_routes(catalog)]
    install_error_handlers(application)
    return application


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog(ocpp.describe())


@pytest.fixture(scope="session")
def protocol(catalog: Catalog) -> ProtocolCatalog:
    return catalog.protocols["ocpp-16j"]


@pytest.fixture(scope="session")
def application(catalog: Catalog) -> FastAPI:
    return build_application(catalog)


@pytest.fixture
async def client(application: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that asks for nothing but what a test says: no Accept-Encoding of its own."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://catalog", headers={"Accept-Encoding": ""}
    ) as client:
        yield client
