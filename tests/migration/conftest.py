"""The catalog with the routes and pages of the migration."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.catalog.catalog import Catalog
from app.catalog.routes.validation import ValidationLimit
from app.migration.pages import migration_pages
from app.migration.routes import migration_routes
from tests.support.catalog import build_application, catalog

__all__ = ["catalog"]


def application_with(catalog: Catalog, limit: ValidationLimit) -> FastAPI:
    routes = migration_routes(catalog, limit)
    return build_application(catalog, further=routes, pages=migration_pages(catalog))


@pytest.fixture(scope="session")
def application(catalog: Catalog) -> FastAPI:
    return application_with(catalog, ValidationLimit(per_minute=10_000))


@pytest.fixture
async def client(application: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://catalog") as client:
        yield client
