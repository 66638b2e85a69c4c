"""Each command of docs/reservations.md, as an operator would run it."""

import shutil
from typing import get_args

import pytest

from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.reservations.records import ReservationState
from app.settings import Settings
from tests.reservations.conftest import soon
from tests.support.asked import charger
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage, new_key


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_make_change_and_cancel_a_reservation(server: GatewayServer) -> None:
    page = OperatorPage("reservations.md")
    key = await new_key(server, "read", "command")
    await page.log_in(server, KEY=key, LATER=soon(hours=1), LATEST=soon(hours=2))
    await server.register("RDAM-1")
    async with server.database.tenant(server.tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("B4A63CDF"))
    reserve, show, change, cancel, listing, raw = page.commands
    async with charger(server, "RDAM-1"):
        made = await page.run(reserve)
        assert (made["state"], made["reservation_id"]) == ("reserved", 1)
        assert await page.run(show) == made
        changed = await page.run(change)
        assert (changed["state"], changed["expires_at"] > made["expires_at"]) == ("reserved", True)
        assert (await page.run(cancel))["state"] == "accepted"
        reasons = [row["reason"] for row in (await page.run(listing))["items"]]
        assert reasons == ["cancelled", "replaced"]
        assert (await page.run(raw))["result"] == {"status": "Accepted"}


def test_the_page_names_each_state_and_setting() -> None:
    text = OperatorPage("reservations.md").text
    assert [state for state in get_args(ReservationState) if f"| `{state}` |" not in text] == []
    settings = [name for name in Settings.model_fields if name.startswith("reservation")]
    assert [name for name in settings if f"STATIONMASTER_{name.upper()}" not in text] == []
