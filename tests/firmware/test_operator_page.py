"""Each command of docs/firmware.md, as an operator would run it."""

import re
import shutil
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.firmware.records import FirmwareJobState
from tests.firmware.certificates import IMAGE
from tests.firmware.test_charge_points import BOOT, apps, server
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage, new_key

__all__ = ["apps", "server"]

PAGE = "firmware.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_update_one_charge_point_and_then_many(
    server: GatewayServer, apps: dict[str, FastAPI], tmp_path: Path
) -> None:
    page = OperatorPage(PAGE)
    await server.register("CP1")
    charger = await server.connect("CP1")
    await charger.call("BootNotification", BOOT, "boot")
    token = await new_key(server, "read", "write", "command")
    (tmp_path / "vw22-3.2.0.bin").write_bytes(IMAGE)
    variables = {
        "CHARGE_POINT": "CP1",
        "LOCATION": "https://files.example.com/a.bin",
        "FIRMWARE": str(tmp_path / "vw22-3.2.0.bin"),
        "KEY": token,
    }
    await page.log_in(server, **variables)
    update, listed, status, upload, update_by_file, plan, *moves = page.commands
    made = await page.run(update)
    assert (made["location"], made["target_version"]) == ("https://files.example.com/a.bin", "3.2.0")
    assert (await page.run(listed))["items"][0]["id"] == made["id"]
    await charger.text()
    await charger.call("FirmwareStatusNotification", {"status": "Downloading"}, "status")
    assert (await page.run(status))["firmware_update"] == made["id"]
    stored = await page.run(upload)
    assert (stored["name"], stored["size_bytes"]) == ("vw22-3.2.0.bin", len(IMAGE))
    page.know(FILE=stored["id"])
    by_file = await page.run(update_by_file)
    assert (by_file["file_id"], by_file["location"], by_file["state"]) == (stored["id"], None, "requested")
    draft = await page.run(plan)
    assert (draft["state"], [wave["size"] for wave in draft["waves"]]) == ("draft", [1])
    [export] = re.findall(r"^\$ (export CAMPAIGN=.+)$", page.text, re.MULTILINE)
    found = await page.run(f'{export}; echo "\\"$CAMPAIGN\\""')
    assert found == draft["id"]
    await page.log_in(server, **variables, CAMPAIGN=found)
    start, show, failed, updates, pause, resume, stop = moves
    assert (await page.run(start))["state"] == "running"
    assert (await page.run(show))["state"] == "running"
    assert (await page.run(failed))["items"] == []
    assert (await page.run(updates))["items"] == []
    states = [(await page.run(one))["state"] for one in (pause, resume, stop)]
    assert states == ["paused", "running", "stopped"]


def test_the_page_names_each_state() -> None:
    text = OperatorPage(PAGE).text
    assert [state for state in FirmwareJobState if f"`{state}`" not in text] == []
