"""Each command of docs/commands.md, as an operator would run it; and its tables are those of the code."""

import asyncio
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import app
from app.charge_points.store import ChargePointStore
from app.clock import utc_text
from app.commands.expected_effects import EXPECTED
from app.commands.schemas import STATE_TEXTS
from app.settings import Settings
from tests.gateway.conftest import server
from tests.support.asked import charger
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage, new_key

__all__ = ["server"]

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Duo 22"}
PROFILE = (
    '{"description": "x", "charging_profile": {"stackLevel": 0, '
    '"chargingProfilePurpose": "TxDefaultProfile", '
    '"chargingProfileKind": "Relative", "chargingSchedule": {"chargingRateUnit": "A", '
    '"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}}}'
)
NEW_PROFILE = (
    'curl -s -X POST -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" '
    f"-d '{PROFILE}' \"$SERVER/v1/charging-profiles\""
)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_start_queue_and_reach_many(server: GatewayServer) -> None:
    page = OperatorPage("commands.md")
    await page.log_in(server)
    page._environment["NIGHT"] = utc_text(datetime.now(UTC) + timedelta(days=1))
    page._environment["KEY"] = await new_key(server, "read", "write", "command")
    for identity in ("RDAM-1", "RDAM-2"):
        await server.register(identity)
    start, read, profiled, queue, later, listed, cancel, bulk, progress, rejected, cancel_bulk = page.commands
    async with charger(server, "RDAM-1", boot=BOOT) as point:
        command = await page.run(start)
        assert (command["state"], command["status"]) == ("accepted", "Accepted")
        now = utc_text(datetime.now(UTC))
        started = {"connectorId": 1, "idTag": "B4A63CDF", "meterStart": 0, "timestamp": now}
        answer = await point.call("StartTransaction", started)
        page._environment["COMMAND"] = command["id"]
        number = answer[2]["transactionId"]
        assert (await page.run(read))["effect"] == {
            "observed": "transaction_started",
            "transactionId": number,
        }
        stored = await page.run(NEW_PROFILE)
        # The only change: the number of the stored profile may be another one.
        profiled = profiled.replace("charging_profile_id=1", f"charging_profile_id={stored['id']}")
        with_profile = await page.run(profiled)
        assert with_profile["payload"]["chargingProfile"]["chargingProfilePurpose"] == "TxProfile"
        queued, scheduled = await page.run(queue), await page.run(later)
        assert (queued["state"], scheduled["state"]) == ("waiting", "waiting")
        waiting = await page.run(listed)
        assert [item["id"] for item in waiting["items"]] == [scheduled["id"], queued["id"]]
        page._environment["WAITING"] = scheduled["id"]
        assert (await page.run(cancel))["state"] == "cancelled"
        made = await page.run(bulk)
        assert (made["total"], made["state"], (await page.run(bulk))["id"]) == (2, "running", made["id"])
        page._environment["BULK"] = made["id"]
        await _until_counted(page, progress, {"accepted": 1, "waiting": 1})
        async with charger(server, "RDAM-2", lambda *_: {"status": "Rejected"}, boot=BOOT) as second:
            await second.until(2)
            await _until_counted(page, progress, {"accepted": 1, "rejected": 1})
            assert [action for action, _ in second.asked] == ["ChangeConfiguration"] * 2
        (item,) = (await page.run(rejected))["items"]
        assert (item["charge_point"], item["status"]) == ("RDAM-2", "Rejected")
        assert (await page.run(cancel_bulk))["counts"] == {"accepted": 1, "rejected": 1}
    async with server.database.tenant(server.tenant.id) as work:
        assert len(await ChargePointStore(work).page(5)) == 2


async def _until_counted(page: OperatorPage, progress: str, counts: dict[str, Any]) -> None:
    """Wait until a bulk has come so far. No event tells it to a caller."""
    async with asyncio.timeout(20):
        while (await page.run(progress))["counts"] != counts:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def test_the_page_has_each_state_effect_and_setting() -> None:
    text = OperatorPage("commands.md").text
    assert [state for state, meaning in STATE_TEXTS.items() if f"| `{state}` | {meaning} |" not in text] == []
    for action, expected in EXPECTED.items():
        seconds = "" if expected.window_s is None else f"{expected.window_s:g}"
        assert f"| {action} | {expected.text} | {seconds} |" in text
    names = ("call_timeout_s", "remote_start_window_s")
    for name, field in Settings.model_fields.items():
        if name.startswith("command_") or name in names:
            value = field.get_default(call_default_factory=True)
            default = "" if value == [] else f"{value:.10g}"
            assert f"| `STATIONMASTER_{name.upper()}` | {default}".rstrip() in text, name


def test_the_page_names_each_word_for_an_effect() -> None:
    text = OperatorPage("commands.md").text
    code = "\n".join(file.read_text("utf-8") for file in Path(app.__file__).parent.rglob("*.py"))
    words = re.findall(r'"observed": "(\w+)"', code)
    assert len(words) > 10
    assert [word for word in words if f"`{word}`" not in text] == []
