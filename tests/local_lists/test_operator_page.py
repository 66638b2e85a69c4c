"""Each command of docs/local-lists.md, as an operator would run it."""

import json
import shutil
from typing import get_args

import pytest

from app.local_lists.records import ListState
from app.settings import Settings
from tests.local_lists.conftest import ListDesk, ListKeeper, store_tags
from tests.support.asked import charger
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage, new_key


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_keep_a_list_in_step(server: GatewayServer, desk: ListDesk) -> None:
    page = OperatorPage("local-lists.md")
    await page.log_in(server, KEY=await new_key(server, "read", "write", "command"))
    await server.register("RDAM-1")
    await store_tags(server, "B4A63CDF")
    await store_tags(server, "POOL-1", "POOL-2", parent_id_tag="FLEET-7")
    create, show, change, sync, switch, raw, listing, delete = page.commands
    async with charger(server, "RDAM-1", ListKeeper()):
        made = await page.run(create)
        assert (made["groups"], made["id_tags"]) == (["FLEET-7"], ["B4A63CDF"])
        await desk.until("RDAM-1", "in_sync")
        shown = await page.run(show)
        assert (shown["state"], shown["known_version"], shown["desired_entries"]) == ("in_sync", 1, 3)
        assert (await page.run(change))["selector"]["identities"] is None
        assert (await page.run(sync))["list_name"] == "fleet"
        await desk.until("RDAM-1", "in_sync")
        assert (await page.run(switch))["state"] == "off"
        assert (await page.run(raw))["result"] == {"status": "Accepted"}
        assert (await page.run(show))["known_entries"] == 0
        assert [one["name"] for one in (await page.run(listing))["items"]] == ["fleet"]
        with pytest.raises(json.JSONDecodeError):
            await page.run(delete)
        assert (await page.run(show))["state"] == "unmanaged"


def test_the_page_names_each_state_and_setting() -> None:
    text = OperatorPage("local-lists.md").text
    assert [state for state in get_args(ListState) if f"| `{state}` |" not in text] == []
    settings = [name for name in Settings.model_fields if name.startswith("local_list")]
    assert [name for name in settings if f"STATIONMASTER_{name.upper()}" not in text] == []
