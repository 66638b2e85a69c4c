"""A server that simulated charge points reach by HTTP, too."""

import socket
from collections.abc import AsyncIterator
from itertools import count

import pytest

from app.composition import WorkerParts
from app.main import create_app
from app.settings import Settings
from app.tenants.store import TenantStore
from tests.support.gateway import GatewayServer, serve
from tests.support.gateway_fixtures import ModuleServer

_NUMBERS = count(1)


@pytest.fixture(scope="module")
async def reachable_server(settings: Settings) -> AsyncIterator[tuple[ModuleServer, Settings]]:
    """Run a server that knows its own URL, and that does at once what it does after seconds otherwise."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    changes = {
        "public_url": f"http://127.0.0.1:{port}",
        "local_list_delay_s": 0.0,
        "local_list_debounce_s": 0.1,
        "firmware_sweep_s": 0.2,
    }
    quick = settings.model_copy(update=changes)
    app = create_app(quick)
    async with serve(app, quick, listener) as found:
        yield ModuleServer(found, app), quick


@pytest.fixture
async def server(reachable_server: tuple[ModuleServer, Settings]) -> GatewayServer:
    """The server, with a new tenant."""
    running, settings = reachable_server
    parts: WorkerParts = running.app.state.services.get(WorkerParts)
    database = parts.storage.database
    async with database.platform() as work:
        tenant = await TenantStore(work).create(f"simulated-{next(_NUMBERS)}", "Simulated")
    return GatewayServer(running.port, running.app, database, tenant, settings)
