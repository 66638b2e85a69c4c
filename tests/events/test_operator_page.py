"""Each command of docs/events.md, as an operator would run it."""

import shutil

import pytest

from app.events.payloads import event_types
from app.settings import Settings
from tests.gateway.conftest import server
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage

__all__ = ["server"]

START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2026-01-01T10:00:00Z"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_read_and_filter_events(server: GatewayServer) -> None:
    page = OperatorPage("events.md")
    await page.log_in(server, ("read", "write", "admin"))
    await server.register("RDAM-1")
    charger = await server.connect("RDAM-1")
    await charger.call("StartTransaction", START, "a")
    while not await server.services.storage.sequencer.number():
        pass
    first, after, filtered, _stream, allow, _described = page.commands
    read = await page.run(first)
    assert [event["type"] for event in read["items"]] == ["connection.opened", "transaction.started"]
    page.know(CURSOR=read["next_cursor"])
    assert await page.run(after) == {"items": [], "next_cursor": read["next_cursor"], "has_more": False}
    assert [event["type"] for event in (await page.run(filtered))["items"]] == ["transaction.started"]
    assert await page.run(allow) == {"allowed_origins": ["http://localhost:5173"]}


def test_the_page_names_each_type_and_setting() -> None:
    text = OperatorPage("events.md").text
    assert [name for name in event_types() if f"`{name}`" not in text] == []
    settings = [name for name in Settings.model_fields if name.startswith("event_")]
    assert [name for name in settings if f"STATIONMASTER_{name.upper()}" not in text] == []
