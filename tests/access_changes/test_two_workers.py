"""Keys, credentials and tenants end on the worker that did not hear of it: sockets, streams and requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from app import close_codes
from app.cli.administration import create_key
from app.live.presence import Presence
from app.main import create_app
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.types import Scope
from tests.support.gateway import KEY, GatewayServer, serve
from tests.support.raw_client import close_all

WAIT_S = 20.0


@dataclass(frozen=True)
class Site:
    """Two workers on one database and one Redis. Nothing happens by a heartbeat or the age of a cache."""

    near: GatewayServer
    far: GatewayServer

    @property
    def tenant(self) -> TenantRecord:
        return self.near.tenant

    async def key(self, *scopes: Scope, of_platform: bool = False) -> str:
        settings, slug = self.near.settings, None if of_platform else self.tenant.slug
        pepper = settings.credential_pepper
        return await create_key(self.near.database, pepper, tenant=slug, name="k", scopes=scopes)


@pytest.fixture
async def site(storage: Storage, settings: Settings, tenant: TenantRecord) -> AsyncIterator[Site]:
    changes = {"event_heartbeat_s": 300.0}
    slow = settings.model_copy(update=changes)
    apps = create_app(slow), create_app(slow)
    async with serve(apps[0], slow) as first, serve(apps[1], slow) as second:
        servers = [
            GatewayServer(port, app, storage.database, tenant, slow)
            for port, app in zip((first, second), apps, strict=True)
        ]
        try:
            yield Site(*servers)
        finally:
            await close_all()


def client_of(server: GatewayServer, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=WAIT_S, trust_env=False
    )


@asynccontextmanager
async def stream_of(server: GatewayServer, token: str) -> AsyncIterator[AsyncIterator[str]]:
    async with (
        client_of(server, token) as client,
        client.stream("GET", "/v1/events", headers={"Accept": "text/event-stream"}) as answer,
    ):
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        assert await anext(lines) == ": The events follow."
        yield lines


async def closing(lines: AsyncIterator[str]) -> str:
    """Return the last event of a stream that the server closes."""
    async with asyncio.timeout(WAIT_S):
        found = [line async for line in lines if line.startswith("data:")]
    return found[-1]


async def status(server: GatewayServer, token: str) -> int:
    async with client_of(server, token) as client:
        return (await client.get("/v1/id-tags")).status_code


async def test_a_revoked_key_ends_streams_and_requests_on_the_other_worker(site: Site) -> None:
    token, admin = await site.key("read"), await site.key("read", "admin")
    assert await status(site.far, token) == 200
    async with stream_of(site.far, token) as lines, stream_of(site.far, admin) as others:
        async with client_of(site.near, admin) as client:
            keys = (await client.get("/v1/api-keys")).json()["items"]
            (revoked,) = [key["id"] for key in keys if key["prefix"] == token.split("_")[1]]
            assert (await client.delete(f"/v1/api-keys/{revoked}")).status_code == 204
        assert '"unauthorized"' in await closing(lines)
        assert await status(site.far, token) == 401
        # The other key goes on.
        async with asyncio.timeout(WAIT_S):
            assert [line async for line in _until_comment(others)]


async def _until_comment(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async for line in lines:
        assert not line.startswith("data:"), line
        if line.startswith(":"):
            yield line
            return


async def test_a_replaced_credential_ends_the_socket_while_redis_is_unreachable(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find_none(*_: object) -> dict[str, object]:
        return {}

    token = await site.key("read", "write", "command")
    await site.near.register("CP-1")
    holder = await site.far.connect("CP-1")
    monkeypatch.setattr(Presence, "find_many", find_none)
    async with client_of(site.near, token) as client:
        replaced = await client.post("/v1/charge-points/CP-1/credentials")
        assert replaced.status_code in (200, 201), replaced.text
        password = bytes.fromhex(replaced.json()["password"])
    assert await holder.close_code() == close_codes.POLICY_VIOLATION
    old = await site.far.attempt("CP-1", password=KEY)
    assert old.response.status == 401
    new = await site.far.attempt("CP-1", password=password)
    assert new.response.status == 101


async def test_a_suspended_tenant_is_kept_out_of_every_worker_and_keeps_its_records(site: Site) -> None:
    platform, token = await site.key("admin", of_platform=True), await site.key("read")
    await site.near.register("CP-1")
    holder = await site.far.connect("CP-1")
    path = f"/v1/tenants/{site.tenant.slug}"
    async with stream_of(site.far, token) as lines, client_of(site.near, platform) as client:
        reason = {"suspension_reason": "The bill was not paid."}
        suspended = await client.patch(path, json=reason)
        assert suspended.status_code == 200, suspended.text
        since = suspended.json()["suspended_at"]
        assert since is not None
        assert await holder.close_code() == close_codes.POLICY_VIOLATION
        assert '"tenant_suspended"' in await closing(lines)
        async with client_of(site.far, token) as refused:
            answer = await refused.get("/v1/id-tags")
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_suspended")
        assert "The bill was not paid." in answer.json()["detail"]
        away = await site.far.attempt("CP-1", password=KEY)
        assert (away.response.status, away.response.problem["code"]) == (403, "tenant_suspended")
        # It tells nothing to those who do not know the password.
        assert (await site.far.attempt("CP-1", password=b"wrong")).response.status == 401
        again = await client.patch(path, json={"suspension_reason": "Another reason."})
        assert again.json()["suspended_at"] == since
        resumed = await client.patch(path, json={"suspension_reason": None})
        assert (resumed.json()["suspended_at"], resumed.json()["suspension_reason"]) == (None, None)
    assert (await site.far.attempt("CP-1", password=KEY)).response.status == 101
    assert await status(site.near, token) == 200
