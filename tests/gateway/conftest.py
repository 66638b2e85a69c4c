"""The server of the gateway's tests."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from app.database.database import Database
from app.main import create_app
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.gateway import GatewayServer, serve
from tests.support.raw_client import close_all


@pytest.fixture(scope="module")
def apps() -> dict[str, FastAPI]:
    """The application of the module's database: building it takes longer than most tests."""
    return {}


@pytest.fixture
async def server(
    database: Database, tenant: TenantRecord, settings: Settings, apps: dict[str, FastAPI]
) -> AsyncIterator[GatewayServer]:
    """A server with the default settings."""
    app = apps.setdefault("default", apps.get("default") or create_app(settings))
    async with serve(app, settings) as port:
        try:
            yield GatewayServer(port, app, database, tenant, settings)
        finally:
            await close_all()
