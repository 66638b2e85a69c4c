"""Examples of handshakes and transactions, and an orderly stop, against a running server."""

import re
from base64 import b64decode
from typing import Any

import pytest
from sqlalchemy import select

from app.deviations.dictionary import entries_of
from app.deviations.records import DeviationEntry, Family
from app.main import create_app
from app.transactions import tables
from tests.deviations.counting import STATUS, counted
from tests.gateway.conftest import server
from tests.support.gateway import KEY, GatewayServer, serve
from tests.support.raw_client import RawClient

__all__ = ["server"]

TRANSACTIONS = [entry for entry in entries_of(Family.TRANSACTIONS) if entry.example]


async def handshake(server: GatewayServer, head: str) -> RawClient:
    """Send the head of an example, with the tenant and the password of this server."""
    first, *lines = head.strip().split("\r\n")
    path = re.fullmatch(r"GET /ocpp/demo(/.+) HTTP/1\.1", first)
    assert path is not None
    headers: dict[str, Any] = dict(line.split(": ", 1) for line in lines)
    user, _, _ = b64decode(headers.pop("Authorization").removeprefix("Basic ")).decode().partition(":")
    return await RawClient.open(
        server.port,
        f"/ocpp/{server.tenant.slug}{path[1]}",
        user=user,
        password=KEY,
        subprotocol=headers.pop("Sec-WebSocket-Protocol", None),
        headers=headers,
    )


@pytest.mark.parametrize("entry", entries_of(Family.LOGINS), ids=lambda entry: entry.code)
async def test_each_example_of_a_handshake_shows_exactly_its_code(
    server: GatewayServer, entry: DeviationEntry
) -> None:
    point = await server.register("RDAM-0123")
    client = await handshake(server, *entry.example)
    assert client.response.status == 101
    await server.deviations.flush()
    assert await counted(server.database, server.tenant.id, point.id) == {entry.code: 1}


@pytest.mark.parametrize("entry", TRANSACTIONS, ids=lambda entry: entry.code)
async def test_each_example_of_a_transaction_shows_exactly_its_flag(
    server: GatewayServer, entry: DeviationEntry
) -> None:
    await server.register("CP1", registration_status="Accepted")
    client = await server.connect("CP1")
    for frame in entry.example:
        assert (await client.ask(frame))[0] == 3
    async with server.database.tenant(server.tenant.id) as work:
        table = tables.transactions.c
        found = select(table.flags).where(table.tenant_id == server.tenant.id)
        (flags,) = (await work.connection.execute(found)).scalars()
    assert set(flags) == {entry.code, *entry.also}


async def test_everything_is_counted_when_the_server_has_stopped(server: GatewayServer) -> None:
    point = await server.register("CP1", registration_status="Accepted")
    app = create_app(server.settings)
    async with serve(app, server.settings) as port:
        client = await RawClient.open(
            port, f"/ocpp/{server.tenant.slug}/CP1/", user="CP1", password=KEY, headers={"Origin": "null"}
        )
        await client.call("StatusNotification", {**STATUS, "status": "available"}, "1")
        await client.call("Heartbeat", {}, "2")
        await client.call("Heartbeat", {"uptime": 1}, "3")
        await client.call("Authorize", {}, "4")
        await client.call("MeterValues", {"connectorId": 1, "meterValue": []}, "5")
    assert await counted(server.database, server.tenant.id, point.id) == {
        "call_refused": 1,
        "enumeration_spelling": 1,
        "origin": 1,
        "too_few_items": 1,
        "trailing_slash": 1,
        "unknown_field": 1,
    }
