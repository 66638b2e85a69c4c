"""A server with charge points that upload what they are asked for."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from app.types import TenantId
from tests.support.gateway import GatewayServer, serve
from tests.support.operator_page import new_key
from tests.support.raw_client import close_all


@pytest.fixture(scope="module")
def settings(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with a folder of the module, and a URL for charge points."""
    changes = {
        "data_directory": tmp_path_factory.mktemp("files"),
        "public_url": "http://charge.example.com",
    }
    return settings.model_copy(update=changes)


@dataclass
class DiagnosticsServer:
    """A running server, and an operator of its tenant."""

    gateway: GatewayServer
    client: httpx.AsyncClient
    key: str

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request of the operator."""
        return await self.client.request(
            method, path, headers={"Authorization": f"Bearer {self.key}"}, **options
        )

    async def request(self, identity: str, **body: Any) -> dict[str, Any]:
        """Ask a charge point for an upload, and return the job."""
        answer = await self.call("POST", f"/v1/charge-points/{identity}/diagnostics", json=body)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"/v1/diagnostics/{job['id']}"
        return job

    async def job(self, job_id: str) -> dict[str, Any]:
        """Read a job."""
        answer = await self.call("GET", f"/v1/diagnostics/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def upload(self, location: str, content: Any, name: str = "") -> httpx.Response:
        """Upload to a location as a charge point does. Its host is that of the public URL."""
        parts = urlsplit(location)
        assert parts.netloc == "charge.example.com"
        return await self.client.put(parts.path + name, content=content)

    async def answered(self, job: dict[str, Any]) -> None:
        """Wait until the answer to the command of a job is recorded, with its effects."""
        tenant_id, command_id = TenantId(self.gateway.tenant.id), UUID(job["command_id"])
        command = await self.gateway.services.commands.wait(tenant_id, command_id, 20)
        assert command.finished_at is not None


@pytest.fixture
async def serving(
    gateway_app: FastAPI, database: Database, tenant: TenantRecord, settings: Settings
) -> AsyncIterator[DiagnosticsServer]:
    """A server with its HTTP layer."""
    async with (
        serve(gateway_app, settings) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        gateway = GatewayServer(port, gateway_app, database, tenant, settings)
        try:
            yield DiagnosticsServer(gateway, client, await new_key(gateway, "read", "write", "command"))
        finally:
            await close_all()
