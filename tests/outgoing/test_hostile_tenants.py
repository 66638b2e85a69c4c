"""One tenant and its servers must not cost the other tenants of a worker their requests."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailure
from app.types import TenantId
from tests.outgoing.test_client import LOOPBACK, reason_of, request_of, resolving, settings_of
from tests.support.api import SetClock
from tests.support.gateway import until
from tests.support.outgoing import TenantServer, tenant_server


@pytest.fixture
async def server() -> AsyncIterator[TenantServer]:
    async with tenant_server() as opened:
        yield opened


async def test_interim_answers_without_end_are_cut_off(server: TenantServer) -> None:
    """To parse them takes the event loop, and the limit of the body does not count them."""
    client = OutgoingClient(settings_of(), SetClock())
    server.mode = "continue"
    request = request_of(server.url, deadline_s=60.0)
    assert await reason_of(client, request) is OutgoingFailure.BODY_TOO_LARGE
    await client.close()


async def test_connections_to_hosts_are_dropped_while_others_are(
    server: TenantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.outgoing.client._HOSTS", 2)
    closed = httpx.AsyncHTTPTransport.aclose

    async def close_slowly(transport: httpx.AsyncHTTPTransport) -> None:
        await asyncio.sleep(0.02)
        await closed(transport)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "aclose", close_slowly)
    client = OutgoingClient(settings_of(), SetClock(), resolve=resolving([LOOPBACK]))
    server.mode = "wait"
    names = [f"http://host{number}.example:{server.port}/" for number in range(8)]
    running = [asyncio.create_task(client.post(request_of(name))) for name in names]
    await until(lambda: len(server.received) == len(names))
    server.mode = "right"
    server.release.set()
    await asyncio.gather(*running)
    # Eight hosts are too many, and each of these requests drops some.
    again = [client.post(request_of(name)) for name in (*names[4:], names[0])]
    assert [answer.status for answer in await asyncio.gather(*again)] == [200] * 5
    await client.close()


async def test_name_servers_of_one_tenant_that_hang_leave_threads_to_others(
    monkeypatch: pytest.MonkeyPatch, server: TenantServer
) -> None:
    """A look-up goes on when the deadline of its request is over, and a tenant may have many names."""
    go_on = threading.Event()

    def look_up(name: str, *_: Any, **__: Any) -> Any:
        if name.startswith("slow"):
            go_on.wait(20)
        return [(2, 1, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = OutgoingClient(settings_of(outgoing_requests_of_tenant_limit=100), SetClock())
    hostile = (request_of(f"https://slow{number}.example/", deadline_s=0.2) for number in range(50))
    reasons = await asyncio.gather(*(reason_of(client, request) for request in hostile))
    assert (reasons.count(OutgoingFailure.DEADLINE), reasons.count(OutgoingFailure.BUSY)) == (4, 46)
    of_other = request_of(f"http://quick.example:{server.port}/", tenant_id=TenantId(2), deadline_s=5.0)
    assert (await client.post(of_other)).status == 200
    go_on.set()
    await client.close()
