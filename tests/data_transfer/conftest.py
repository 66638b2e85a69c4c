"""A server that may ask this machine, a charge point of its tenant, and the operator."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from app.composition import WorkerParts
from app.data_transfer.recorder import TransferRecorder
from app.main import create_app
from app.settings import Settings
from app.tenants.store import TenantStore
from tests.support.certification import Station, operating
from tests.support.gateway import GatewayServer, serve
from tests.support.gateway_fixtures import ModuleServer
from tests.support.outgoing import TenantServer, tenant_server
from tests.support.raw_client import close_all
from tests.support.server import Operator

__all__ = ["allowing_module_server", "allowing_operator", "allowing_server", "endpoint", "station"]

_NUMBERS = count(1)


@pytest.fixture(scope="module")
async def allowing_module_server(settings: Settings) -> AsyncIterator[ModuleServer]:
    """A server whose outgoing requests may go to this machine, for the tests of a module."""
    local = {"outgoing_allowed_networks": ["127.0.0.0/8"], "outgoing_http_allowed": True}
    allowing = settings.model_copy(update=local)
    app = create_app(allowing)
    async with serve(app, allowing) as port:
        yield ModuleServer(port, app)


@pytest.fixture
async def allowing_server(
    allowing_module_server: ModuleServer, settings: Settings
) -> AsyncIterator[GatewayServer]:
    """The server of the module, with a new tenant."""
    app = allowing_module_server.app
    parts: WorkerParts = app.state.services.get(WorkerParts)
    database = parts.storage.database
    async with database.platform() as work:
        tenant = await TenantStore(work).create(f"transfers-{next(_NUMBERS)}", "Tenant of a test")
    try:
        yield GatewayServer(allowing_module_server.port, app, database, tenant, settings)
    finally:
        await close_all()


@pytest.fixture
async def allowing_operator(allowing_server: GatewayServer) -> AsyncIterator[Operator]:
    async with operating(allowing_server) as opened:
        yield opened


@pytest.fixture
async def station(allowing_server: GatewayServer, allowing_operator: Operator) -> Station:
    await allowing_server.register("CP1")
    return Station(allowing_server, allowing_operator, "CP1", await allowing_server.connect("CP1"))


@pytest.fixture
async def endpoint() -> AsyncIterator[TenantServer]:
    async with tenant_server() as opened:
        yield opened


async def listed(station: Station, **query: str) -> list[dict[str, object]]:
    """Return the messages of the tenant, after what waits was written."""
    recorder = station.server.app.state.services.get(TransferRecorder)
    await recorder.flush()
    page = await station.operator.get("/data-transfers", **query)
    items: list[dict[str, object]] = page["items"]
    return items
