"""A server that asks charge points for their state, soon after their login."""

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
def asking() -> dict[str, FastAPI]:
    """The application of the module's database: building it takes longer than most tests."""
    return {}


@pytest.fixture
async def server(
    database: Database, tenant: TenantRecord, settings: Settings, asking: dict[str, FastAPI]
) -> AsyncIterator[GatewayServer]:
    changes = {"state_requests": True, "state_request_delay_s": 0.1}
    own = settings.model_copy(update=changes)
    app = asking.setdefault("default", asking.get("default") or create_app(own))
    async with serve(app, own) as port:
        try:
            yield GatewayServer(port, app, database, tenant, own)
        finally:
            await close_all()
