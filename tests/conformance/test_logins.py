"""Cases of the handshake: who gets in, and with which version of OCPP (OCPP-J 3, security whitepaper)."""

import json

import pytest

from tests.support.certification import BOOT, Station
from tests.support.gateway import KEY, GatewayServer


@pytest.mark.parametrize(
    ("user", "password"),
    [("CP2", KEY), ("CP1", b"a wrong password"), ("CP1", KEY[:-1]), ("CP1", None)],
    ids=["user other than the identity", "wrong password", "shortened password", "no credential"],
)
async def test_tc_085_a_wrong_credential_is_unauthorized(
    gateway_server: GatewayServer, user: str, password: bytes | None
) -> None:
    await gateway_server.register("CP1")
    await gateway_server.register("CP2")
    client = await gateway_server.attempt("CP1", user=user, password=password)
    assert client.response.status == 401
    assert client.response.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("password", [KEY, KEY.hex().encode()], ids=["bytes", "hexadecimal digits"])
async def test_tc_085_the_right_credential_gets_in(gateway_server: GatewayServer, password: bytes) -> None:
    await gateway_server.register("CP1")
    client = await gateway_server.attempt("CP1", password=password)
    assert client.response.status == 101


@pytest.mark.parametrize("offered", ["ocpp0.1, ocpp1.6", "ocpp1.6", "ocpp2.0.1,ocpp1.6"])
async def test_tc_088_a_known_version_is_chosen(gateway_server: GatewayServer, offered: str) -> None:
    await gateway_server.register("CP1")
    client = await gateway_server.connect("CP1", subprotocol=offered)
    assert client.response.headers["sec-websocket-protocol"] == "ocpp1.6"
    answer = await client.call("BootNotification", BOOT)
    assert answer[2]["status"] == "Accepted"


async def test_tc_088_an_unknown_version_gets_no_session(station: Station) -> None:
    client = await station.server.connect("CP1", subprotocol="ocpp0.1")
    assert "sec-websocket-protocol" not in client.response.headers
    client.send(json.dumps([2, "1", "Heartbeat", {}]))
    assert await client.close_code() in (1002, 1008)
    assert (await station.operator.get(station.path))["connected"] is True
