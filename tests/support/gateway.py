"""Runs a real server in the event loop of the test, and connects charge points to it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.charge_points.credentials import Credentials
from app.charge_points.records import ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.composition import WorkerParts
from app.database.database import Database
from app.deviations.recorder import DeviationRecorder
from app.gateway.endpoint import ChargePointEndpoint, ChargePointRoute
from app.gateway.gateway import server_options
from app.login_attempts.recorder import RefusedLogins
from app.server.acceptors import Acceptors
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.prompt_server import PromptServer
from tests.support.raw_client import RawClient

KEY = bytes.fromhex("00112233445566778899aabbccddeeff00112233")
"""The key of all charge points of these tests. It is not text, like the example in the standard."""


@dataclass
class GatewayServer:
    """A running server, and the tenant whose charge points the test drives."""

    port: int
    app: FastAPI
    database: Database
    tenant: TenantRecord
    settings: Settings

    @property
    def services(self) -> WorkerParts:
        """The storage of the application."""
        services: WorkerParts = self.app.state.services.get(WorkerParts)
        return services

    @property
    def endpoint(self) -> ChargePointEndpoint:
        """Return the URL for charge points."""
        (route,) = (route for route in self.app.router.routes if isinstance(route, ChargePointRoute))
        assert isinstance(route.endpoint, ChargePointEndpoint)
        return route.endpoint

    @property
    def refused(self) -> RefusedLogins:
        """The refused logins of the server."""
        return self.endpoint.refused

    @property
    def deviations(self) -> DeviationRecorder:
        """The counts of deviations of the server."""
        return self.endpoint.deviations

    async def register(self, identity: str, **facts: Any) -> ChargePointRecord:
        """Create a charge point with KEY as its key."""
        facts.setdefault("credential_hash", Credentials(self.settings.credential_pepper).hash(KEY))
        async with self.database.tenant(self.tenant.id) as work:
            return await ChargePointStore(work).create(identity, **facts)

    async def attempt(self, identity: str, **options: Any) -> RawClient:
        """Try to connect. `response` of the result shows the answer."""
        options.setdefault("user", identity)
        return await RawClient.open(self.port, f"/ocpp/{self.tenant.slug}/{identity}", **options)

    async def connect(self, identity: str, **options: Any) -> RawClient:
        """Connect with the right key."""
        client = await self.attempt(identity, password=KEY, **options)
        assert client.response.status == 101, client.response
        return client

    async def flush(self) -> None:
        """Flush the frame log of the server."""
        await self.services.storage.frame_log.flush()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true, for which there is no event. Fail after 20 seconds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - there is nothing to subscribe to
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def serve(
    app: FastAPI, settings: Settings, listener: socket.socket | None = None, **changes: Any
) -> AsyncIterator[int]:
    """Run an application as a worker does, on a free port. changes: to the options of the gateway.

    listener: a socket that listens already, if the settings must know its port.
    """
    listener = listener or socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    acceptors = Acceptors(settings, listener)
    async with _running(app, settings, [], changes) as server:
        acceptors.start(server, 64)
        try:
            yield port
        finally:
            acceptors.stop()
    acceptors.close()


@contextlib.asynccontextmanager
async def serve_by_uvicorn(app: FastAPI, settings: Settings, **changes: Any) -> AsyncIterator[int]:
    """Run an application under uvicorn, which accepts the connections itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with _running(app, settings, [listener], changes):
            yield listener.getsockname()[1]


@contextlib.asynccontextmanager
async def _running(
    app: FastAPI, settings: Settings, listeners: list[socket.socket], changes: dict[str, Any]
) -> AsyncIterator[uvicorn.Server]:
    options = {**server_options(settings), "loop": "none", **changes}
    server = PromptServer(uvicorn.Config(app, log_config=None, access_log=False, **options))
    task = asyncio.create_task(server.serve(sockets=listeners))
    while not server.started:
        assert not task.done(), task.result()
        await asyncio.sleep(0.01)
    try:
        yield server
    finally:
        server.ending.set()
        await task
