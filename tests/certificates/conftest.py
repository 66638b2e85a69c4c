"""A server with a charge point on a real socket, and an operator."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.certificates.service.trust import ClientCertificateTrust
from app.database.database import Database
from app.main import create_app
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.certificates import ORGANIZATION
from tests.support.eventually import eventually
from tests.support.gateway import GatewayServer, serve
from tests.support.operator_page import new_key
from tests.support.raw_client import RawClient, close_all

_IDS = count(1)


@dataclass
class Charger:
    """A charge point that answers what a test says."""

    client: RawClient
    calls: list[list[Any]] = field(default_factory=list)

    async def say(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """Send a CALL, and return the answer. CALLs that arrive in the meantime are kept."""
        unique_id = f"cp-{next(_IDS)}"
        self.client.send(json.dumps([2, unique_id, action, payload]))
        while True:
            frame = json.loads(await self.client.text())
            if frame[0] != 2:
                assert frame[1] == unique_id
                return list(frame)
            self.calls.append(frame)

    async def asked(self, action: str) -> list[Any]:
        """Wait for a CALL, and return it. Other ones are answered NotImplemented."""
        while True:
            frame = self.calls.pop(0) if self.calls else json.loads(await self.client.text())
            if frame[2] == action:
                return list(frame)
            self.client.send(json.dumps([4, frame[1], "NotImplemented", "", {}]))

    async def answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Wait for a CALL, answer it, and return its payload."""
        frame = await self.asked(action)
        self.client.send(json.dumps([3, frame[1], payload]))
        request: dict[str, Any] = frame[3]
        return request


@dataclass
class Site:
    """The server, an operator with a key, and the charge point CP1."""

    server: GatewayServer
    http: httpx.AsyncClient
    charger: Charger

    @property
    def trust(self) -> ClientCertificateTrust:
        trust: ClientCertificateTrust = self.server.app.state.services.get(ClientCertificateTrust)
        return trust

    async def get(self, path: str) -> Any:
        """Read a resource."""
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        """Post JSON."""
        answer = await self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def authority(self, **changes: Any) -> Any:
        """Create a certificate authority."""
        body = {"organization": ORGANIZATION, **changes}
        return await self.post("/v1/certificate-authority", body, 201)

    async def until(self, path: str, state: str) -> Any:
        """Read a listing until its newest item has a state, and return the item."""
        shown = await eventually(
            lambda: self.get(path), lambda found: found["items"] and found["items"][0]["state"] == state
        )
        return shown["items"][0]

    async def reconnect(self) -> None:
        """Let the charge point connect again."""
        await self.charger.client.close()
        self.charger = Charger(await self.server.connect("CP1"))


@pytest.fixture(scope="module")
def apps() -> dict[str, FastAPI]:
    """The application of the module's database: building it takes longer than most tests."""
    return {}


@pytest.fixture
async def site(
    database: Database, tenant: TenantRecord, settings: Settings, apps: dict[str, FastAPI]
) -> AsyncIterator[Site]:
    """A server that may ask this machine."""
    changes = {
        "outgoing_allowed_networks": ["127.0.0.0/8"],
        "outgoing_http_allowed": True,
        "call_timeout_s": 20.0,
    }
    allowing = settings.model_copy(update=changes)
    app = apps.setdefault("one", apps.get("one") or create_app(allowing))
    async with serve(app, allowing) as port:
        server = GatewayServer(port, app, database, tenant, allowing)
        token = await new_key(server, "read", "write", "command")
        headers = {"Authorization": f"Bearer {token}"}
        try:
            await server.register("CP1")
            charger = Charger(await server.connect("CP1"))
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30
            ) as http:
                yield Site(server, http, charger)
        finally:
            await close_all()
