"""Keys that a charge point leaves out of a full GetConfiguration are asked for by name."""

import asyncio
from typing import Any

import httpx
import pytest

from app.commands.store.commands import CommandStore
from app.state_requests.records import SILENT_KEYS_ISSUER
from app.state_requests.rules import key_groups, missing_keys
from app.state_requests.silent_keys import SilentKeyQueue
from app.types import TenantId
from tests.gateway.conftest import server
from tests.support.asked import charger
from tests.support.gateway import GatewayServer
from tests.support.operator_page import new_key

__all__ = ["server"]

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Duo"}
SILENT = {"silent_keys": {"value": ["QrCode", "webSocketPingInterval"]}}
PATH = "/v1/charge-points/CP1/commands/GetConfiguration?wait=5"


def entry(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": value, "readonly": False}


async def stored(client: httpx.AsyncClient) -> dict[str, str]:
    items = (await client.get("/v1/charge-points/CP1/configuration")).json()["items"]
    return {item["key"]: item["value"] for item in items}


def answering(listed: list[dict[str, Any]] | None) -> Any:
    """Answer with `listed` if all keys are asked for, with any key that is named."""

    def answer(action: str, payload: dict[str, Any]) -> dict[str, Any] | str:
        if "key" in payload:
            return {"configurationKey": [entry(key, "7") for key in payload["key"]]}
        return "NotSupported" if listed is None else {"configurationKey": listed}

    return answer


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        ([entry("HeartbeatInterval", "60")], [["QrCode", "webSocketPingInterval"]]),
        ([entry("qrcode", "60")], [["webSocketPingInterval"]]),
        ([entry("GetConfigurationMaxKeys", "1")], [["QrCode"], ["webSocketPingInterval"]]),
        ([entry("QrCode", "1"), entry("WebSocketPingInterval", "2")], []),
        (None, [["QrCode", "webSocketPingInterval"]]),
    ],
    ids=["none", "one in another case", "one at a time", "all", "refused"],
)
async def test_what_is_left_out_is_asked_by_name(
    server: GatewayServer, listed: list[dict[str, Any]] | None, asked: list[list[str]]
) -> None:
    await server.register("CP1")
    headers = {"Authorization": f"Bearer {await new_key(server, 'read', 'write', 'command')}"}
    url = f"http://127.0.0.1:{server.port}"
    async with (
        charger(server, "CP1", answering(listed)) as point,
        httpx.AsyncClient(base_url=url, headers=headers) as client,
    ):
        await point.call("BootNotification", BOOT)
        profile = {"name": "shy", "vendor": "Acme", "habits": SILENT}
        assert (await client.post("/v1/quirk-profiles", json=profile)).status_code == 201
        assert (await client.post(PATH, json={})).status_code == 200
        await point.until(1 + len(asked))
        await asyncio.sleep(0.8)
        assert [payload.get("key") for _, payload in point.asked] == [None, *asked]
        await server.services.commands.settle()
        assert {key for keys in asked for key in keys} <= (await stored(client)).keys()
    async with server.database.tenant(server.tenant.id) as work:
        issued = await CommandStore(work).page(10)
    assert [one.issued_by for one in issued[: len(asked)]] == [SILENT_KEYS_ISSUER] * len(asked)


async def test_named_keys_and_other_charge_points_are_left_alone(server: GatewayServer) -> None:
    await server.register("CP1")
    headers = {"Authorization": f"Bearer {await new_key(server, 'read', 'write', 'command')}"}
    url = f"http://127.0.0.1:{server.port}"
    async with (
        charger(server, "CP1", answering([])) as point,
        httpx.AsyncClient(base_url=url, headers=headers) as client,
    ):
        await point.call("BootNotification", BOOT)
        for name, vendor in (("shy", "Acme"), ("other", "Bolt")):
            profile = {"name": name, "vendor": vendor, "habits": SILENT}
            assert (await client.post("/v1/quirk-profiles", json=profile)).status_code == 201
        assert (await client.post(PATH, json={"key": ["HeartbeatInterval"]})).status_code == 200
        await point.call("BootNotification", {**BOOT, "chargePointVendor": "Cable"})
        assert (await client.post(PATH, json={})).status_code == 200
        await asyncio.sleep(0.8)
        assert len(point.asked) == 2


def test_the_queue_is_bounded_and_asks_nothing_twice() -> None:
    queue = SilentKeyQueue()
    for number in range(1100):
        for _ in range(2):
            queue.add(TenantId(1), f"CP{number}", ["QrCode"], None)
    taken = 0
    while queue.take() is not None:
        taken += 1
    assert taken == 1000


def test_keys_are_compared_without_case_and_grouped() -> None:
    answer = {"configurationKey": [{"key": "A", "readonly": True}]}
    assert missing_keys(["a", "b"], answer) == ["b"]
    assert key_groups([str(number) for number in range(45)], answer)[2] == [str(n) for n in range(40, 45)]
    assert key_groups([], answer) == []


@pytest.mark.parametrize(
    ("most", "sizes"), [("2", [2, 2, 1]), ("0", [5]), ("99", [5]), ("-1", [5]), ("\u0663", [5]), (None, [5])]
)
def test_the_size_of_a_group(most: str | None, sizes: list[int]) -> None:
    answer = {"configurationKey": [{"key": "GetConfigurationMaxKeys", "value": most, "readonly": True}]}
    assert [len(group) for group in key_groups(list("abcde"), answer)] == sizes
