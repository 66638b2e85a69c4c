"""Each command of docs/data-transfer.md, as an operator would run it."""

import asyncio
import shutil

import pytest

from app.data_transfer.recorder import TransferRecorder
from tests.support.certification import Station
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage
from tests.support.outgoing import TenantServer
from tests.support.server import Operator


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_subscribe_list_and_send(
    allowing_server: GatewayServer, allowing_operator: Operator, endpoint: TenantServer
) -> None:
    page = OperatorPage("data-transfer.md")
    await page.log_in(allowing_server, ("read", "write", "command"), WEBHOOK=endpoint.url)
    await allowing_server.register("RDAM-0123")
    client = await allowing_server.connect("RDAM-0123")
    station = Station(allowing_server, allowing_operator, "RDAM-0123", client)
    stored, hook, newest, narrowed, send, listed, change, secret, remove = page.commands
    await page.run(stored)
    made = await page.run(hook)
    page.know(ID=made["id"])
    endpoint.answer = {"status": "Accepted", "data": {"rpm": 900}}
    fan = {"vendorId": "com.voltwerk", "messageId": "FanSpeed", "data": "{}"}
    assert await station.call("DataTransfer", {**fan, "messageId": "Doors"}) == {
        "status": "Accepted",
        "data": "ok",
    }
    assert (await station.call("DataTransfer", fan))["data"] == '{"rpm":900}'
    await allowing_server.app.state.services.get(TransferRecorder).flush()
    assert [one["message_id"] for one in (await page.run(newest))["items"]] == ["FanSpeed", "Doors"]
    assert [one["message_id"] for one in (await page.run(narrowed))["items"]] == ["FanSpeed"]
    sending = asyncio.create_task(page.run(send))
    station.answer(await station.expect("DataTransfer"), {"status": "Accepted"})
    assert (await sending)["state"] == "accepted"
    assert [one["message_id"] for one in (await page.run(listed))["items"]] == [None, "FanSpeed"]
    assert (await page.run(change))["url"] is None
    assert await station.call("DataTransfer", fan) == {"status": "Rejected"}
    assert (await page.run(secret))["secret"] != made["secret"]
    assert await page.run(remove) == 204
    assert (await station.call("DataTransfer", fan))["data"] == "ok"
