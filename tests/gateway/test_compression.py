"""Compressed messages (RFC 7692): taken from who offers them when the setting says so, and bounded."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from app.database.database import Database
from app.gateway.handshake import agreed_compression
from app.main import create_app
from app.settings import Settings
from app.tenants.records import TenantRecord
from app.transactions.store.reading import TransactionStore
from tests.support.gateway import KEY, GatewayServer, serve

AGREED = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
METER_VALUES = {
    "connectorId": 1,
    "transactionId": 7,
    "meterValue": [
        {"timestamp": f"2026-01-01T00:{minute:02}:00Z", "sampledValue": [{"value": str(minute)}] * 20}
        for minute in range(60)
    ],
}


@pytest.fixture
async def compressing(
    database: Database, tenant: TenantRecord, settings: Settings
) -> AsyncIterator[GatewayServer]:
    """A server that takes compressed messages."""
    settings = settings.model_copy(update={"websocket_compression": True})
    app = create_app(settings)
    async with serve(app, settings) as port:
        yield GatewayServer(port, app, database, tenant, settings)


def client_of(server: GatewayServer) -> connect:
    credential = b64encode(b"CP1:" + KEY).decode()
    return connect(
        f"ws://127.0.0.1:{server.port}/ocpp/{server.tenant.slug}/CP1",
        subprotocols=["ocpp1.6"],  # type: ignore[list-item]
        additional_headers={"Authorization": f"Basic {credential}"},
        extensions=[ClientPerMessageDeflateFactory()],
        compression=None,
        max_size=None,
    )


async def call(client: ClientConnection, action: str, payload: object) -> object:
    await client.send(json.dumps([2, action, action, payload]))
    return json.loads(await client.recv())


async def test_compressed_calls_are_taken_and_stored(compressing: GatewayServer) -> None:
    charge_point = await compressing.register("CP1")
    async with client_of(compressing) as client:
        assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
        assert await call(client, "MeterValues", METER_VALUES) == [3, "MeterValues", {}]
        answer = await call(client, "Heartbeat", {})
        assert isinstance(answer, list)
        assert answer[0] == 3
    async with compressing.database.tenant(compressing.tenant.id) as work:
        assert len(await TransactionStore(work).meter_values_of_charge_point(charge_point.id, 100)) == 60


async def test_a_bomb_costs_no_more_than_a_message_may(compressing: GatewayServer) -> None:
    await compressing.register("CP1")
    async with client_of(compressing) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await call(client, "DataTransfer", {"vendorId": "x", "data": "x" * 10_000_000})
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_nothing_is_agreed_by_default(server: GatewayServer) -> None:
    await server.register("CP1")
    async with client_of(server) as client:
        assert client.protocol.extensions == []
        answer = await call(client, "Heartbeat", {})
        assert isinstance(answer, list)
        assert answer[0] == 3


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ([b"permessage-deflate"], AGREED),
        ([b"permessage-deflate; client_max_window_bits"], AGREED),
        ([b"permessage-deflate;client_max_window_bits=10 ; client_no_context_takeover"], AGREED),
        ([b"permessage-deflate; server_max_window_bits=10"], AGREED + b"; server_max_window_bits=10"),
        ([b'permessage-deflate; server_max_window_bits="15"'], AGREED + b"; server_max_window_bits=15"),
        ([b"x-other, permessage-deflate"], AGREED),
        ([b"x-other", b"permessage-deflate; server_no_context_takeover"], AGREED),
        ([b"permessage-deflate; server_max_window_bits=7, permessage-deflate"], AGREED),
        ([], None),
        ([b"x-webkit-deflate-frame"], None),
        ([b"permessage-deflate; server_max_window_bits"], None),
        ([b"permessage-deflate; client_max_window_bits=16"], None),
        ([b"permessage-deflate; client_max_window_bits="], None),
        ([b"permessage-deflate; server_no_context_takeover=1"], None),
        ([b"permessage-deflate; unknown"], None),
        ([b"permessage-deflate; client_max_window_bits; client_max_window_bits=9"], None),
    ],
)
def test_what_is_answered_to_an_offer(offered: list[bytes], agreed: bytes | None) -> None:
    assert agreed_compression(offered) == agreed
