"""A change of the registration takes effect on the live session at once."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayServer
from tests.support.operator_page import new_key
from tests.support.raw_client import RawClient

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": "2026-01-01T10:00:00Z"}


async def change(server: GatewayServer, status: str) -> None:
    key = await new_key(server)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        answer = await client.patch(
            "/v1/charge-points/CP1",
            json={"registration_status": status},
            headers={"Authorization": f"Bearer {key}"},
        )
        assert answer.status_code == 200, answer.text


async def becomes(client: RawClient, action: str, payload: dict[str, Any], kind: int) -> None:
    """Call until the answer is of a kind: the change travels over the bus."""
    async with asyncio.timeout(10):
        number = 0
        while (await client.call(action, payload, f"{action}{kind}{number}"))[0] != kind:
            number += 1
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("before", ["Pending", "Rejected"])
async def test_what_was_refused_is_taken_once_it_is_accepted(server: GatewayServer, before: str) -> None:
    await server.register("CP1", registration_status=before)
    client = await server.connect("CP1")
    assert (await client.call("BootNotification", BOOT, "b"))[2]["status"] == before
    assert (await client.call("Authorize", {"idTag": "T"}, "a"))[0] == 4
    assert (await client.call("StartTransaction", START, "s"))[0] == 3, "a bill is taken from everybody"
    await change(server, "Accepted")
    await becomes(client, "Authorize", {"idTag": "T"}, 3)
    assert (await client.call("StartTransaction", {**START, "meterStart": 1}, "t"))[0] == 3


async def test_what_was_taken_is_refused_once_it_is_rejected(server: GatewayServer) -> None:
    await server.register("CP1")
    client = await server.connect("CP1")
    assert (await client.call("Authorize", {"idTag": "T"}, "a"))[0] == 3
    await change(server, "Rejected")
    await becomes(client, "Authorize", {"idTag": "T"}, 4)
    assert (await client.call("StartTransaction", START, "s"))[0] == 3, "it may tell what it has charged"
