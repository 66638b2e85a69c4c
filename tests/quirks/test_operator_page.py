"""Each command of docs/quirks.md, as an operator would run it."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.main import create_app
from app.quirks.records import StatedHabits
from app.settings import Settings
from tests.gateway.conftest import server
from tests.support.asked import charger
from tests.support.gateway import GatewayServer, serve
from tests.support.operator_page import OperatorPage
from tests.support.raw_client import close_all

__all__ = ["server"]

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Duo 22", "firmwareVersion": "4.1.7"}


@pytest.fixture
async def asking(server: GatewayServer) -> AsyncIterator[GatewayServer]:
    """A server that asks for the state soon after a login."""
    own = server.settings.model_copy(update={"state_requests": True, "state_request_delay_s": 0.05})
    app = create_app(own)
    async with serve(app, own) as port:
        yield GatewayServer(port, app, server.database, server.tenant, own)
        await close_all()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_show_and_change_habits(asking: GatewayServer) -> None:
    page = OperatorPage("quirks.md")
    await page.log_in(asking)
    await asking.register("RDAM-1")
    async with charger(asking, "RDAM-1", boot=BOOT):
        pass
    async with charger(asking, "RDAM-1") as back:
        await back.until(1)
        await asyncio.sleep(0.3)
    answers: list[Any] = [await page.run(command) for command in page.commands[:-1]]
    before, profiles, shipped, made, changed, audited, triggers = answers
    assert (before["vendor"], before["items"]) == ("Acme", [])
    assert {item["origin"] for item in profiles["items"]} == {"shipped"}
    assert shipped["name"] == "go-e"
    assert made["habits"]["time_zone"] == {"value": "Asia/Shanghai", "source": "Its manual, page 12"}
    assert changed["habits"]["session_meter"]["value"] is True
    acts = [entry["act"] for entry in audited["items"] if entry["act"] != "log_in"]
    assert acts == ["change_quirk_profile", "create_quirk_profile"]
    assert {item["issued_by"] for item in triggers["items"]} == {"state-after-login"}
    now = await page.run(page.commands[0])
    assert [item["habit"] for item in now["items"]] == ["session_meter", "time_zone"]
    with pytest.raises(json.JSONDecodeError):
        await page.run(page.commands[-1])
    assert (await page.run(page.commands[0]))["items"] == []


def test_the_page_names_each_habit_and_setting() -> None:
    text = OperatorPage("quirks.md").text
    assert [name for name in StatedHabits.model_fields if f"| `{name}` |" not in text] == []
    settings = [name for name in Settings.model_fields if name.startswith("state_request")]
    assert [name for name in settings if f"STATIONMASTER_{name.upper()}" not in text] == []
