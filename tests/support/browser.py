"""Serves the pages on a port, and starts a browser. Without a browser the tests are skipped."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn

from app.catalog.catalog import load_catalog
from tests.support.catalog import build_application
from tests.support.chromium import Chromium, find_chromium
from tests.support.protocol import OCPP16


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[str]:
    """Serve the pages, and return their base URL: `http://127.0.0.1:port`."""
    listener = socket.create_server(("127.0.0.1", 0))
    application = build_application(load_catalog({"v16": OCPP16}))
    server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    # The socket listens already, so requests wait in its queue until the server is ready.
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving
    listener.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on PATH: the pages are not looked at")
    profile: Path = tmp_path_factory.mktemp("chromium") / "profile"
    async with Chromium.launch(executable, profile) as running:
        yield running
