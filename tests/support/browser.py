"""Serves the pages on a port, and starts a browser."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn

from app.catalog.routes.validation import ValidationLimit
from app.migration.pages import migration_pages
from app.migration.routes import migration_routes
from tests.support.catalog import build_application, load_described_catalog
from tests.support.chromium import Chromium
from tests.support.page_checkers import PageCheckers
from tests.support.tools import require_tool


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[str]:
    """Serve the pages, and return their base URL: `http://127.0.0.1:port`."""
    listener = socket.create_server(("127.0.0.1", 0))
    catalog = load_described_catalog()
    routes = migration_routes(catalog, ValidationLimit())
    application = build_application(catalog, further=routes, pages=migration_pages(catalog))
    server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    # The socket listens already, so requests wait in its queue until the server is ready.
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving
    listener.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    executable = require_tool("Chromium")
    profile: Path = tmp_path_factory.mktemp("chromium") / "profile"
    async with Chromium.launch(executable, profile) as running:
        yield running


@pytest.fixture(scope="module")
def checkers(pytestconfig: pytest.Config) -> PageCheckers:
    """The tools of npm, kept in the cache of pytest."""
    assert pytestconfig.cache is not None
    return PageCheckers(pytestconfig.cache.mkdir("page-checkers"))
