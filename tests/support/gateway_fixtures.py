"""The server of the gateway's tests and of the certification cases.

The tests of a module share one server, because a server takes longer to start than most tests take. Each test
has a tenant of its own.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count

import pytest
from fastapi import FastAPI
from redis import Redis

from app.composition import WorkerParts
from app.database.database import Database
from app.main import create_app
from app.settings import Settings
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from tests.support.gateway import GatewayServer, serve
from tests.support.raw_client import close_all

_NUMBERS = count(1)


@dataclass(frozen=True)
class ModuleServer:
    """The server that the tests of a module share."""

    port: int
    app: FastAPI


@pytest.fixture(scope="module")
async def module_server(settings: Settings) -> AsyncIterator[ModuleServer]:
    """Run a server with the default settings for the tests of a module."""
    app = create_app(settings)
    async with serve(app, settings) as port:
        yield ModuleServer(port, app)


@pytest.fixture
async def gateway_server(module_server: ModuleServer, settings: Settings) -> AsyncIterator[GatewayServer]:
    """The server of the module, with a new tenant."""
    parts: WorkerParts = module_server.app.state.services.get(WorkerParts)
    database = parts.storage.database
    async with database.platform() as work:
        tenant = await TenantStore(work).create(f"charging-{next(_NUMBERS)}", "Tenant of a test")
    try:
        yield GatewayServer(module_server.port, module_server.app, database, tenant, settings)
    finally:
        await close_all()


@pytest.fixture(scope="module")
def apps() -> dict[str, FastAPI]:
    """Applications with other settings, by a name: building one takes longer than most tests."""
    return {}


@pytest.fixture(scope="module")
def gateway_app(settings: Settings) -> FastAPI:
    """An application that each test of a module serves for itself."""
    return create_app(settings)


@pytest.fixture
async def own_gateway_server(
    gateway_app: FastAPI, database: Database, tenant: TenantRecord, settings: Settings
) -> AsyncIterator[GatewayServer]:
    """A server of the test's own, for tests of what a server counts: refused logins, for instance."""
    with Redis.from_url(str(settings.redis_url)) as client:
        # What servers of earlier tests have counted.
        client.flushall()
    async with serve(gateway_app, settings) as port:
        try:
            yield GatewayServer(port, gateway_app, database, tenant, settings)
        finally:
            await close_all()
