"""Each command of docs/fleet.md, as an operator would run it."""

import re
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest

from app.charge_points import spreadsheet
from app.configuration.records import KeyProgress
from tests.gateway.conftest import server
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage

__all__ = ["server"]


def ends(outcomes: dict[str, Any]) -> list[str]:
    return [item["result"] for item in outcomes["items"]]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_bring_a_fleet_along(server: GatewayServer, tmp_path: Path) -> None:
    page = OperatorPage("fleet.md")
    await page.log_in(server)
    [lines] = re.findall(r"^```csv\n(.+?)^```", page.text, re.MULTILINE | re.DOTALL)
    (tmp_path / "fleet.csv").write_text(lines, "utf-8")
    commands = [
        command.replace("@fleet.csv", f"@{tmp_path}/fleet.csv").replace("-o ", f"-o {tmp_path}/")
        for command in page.commands
    ]
    answers: list[Any] = [await page.run(command) for command in commands]
    csv, json, key, made, members, patched, labels, faults, counts, template, own, shown, exported = answers
    assert ends(csv) == ["created", "created", "created", "error"]
    assert csv["items"][3]["errors"][0]["code"] == "weak_credential"
    assert ends(json) == ["created"]
    assert (key, made["username"]) == (204, "UTR-0002")
    assert [item["identity"] for item in members["items"]] == ["RDAM-0001", "UTR-0001"]
    assert patched["labels"] == {"site": "north", "group": "depot 7"}
    assert {(item["key"], item["value"], item["charge_points"]) for item in labels["items"]} == {
        ("group", "depot 7", 3),
        ("site", "north", 2),
        ("site", "south", 2),
    }
    assert (faults["items"], counts["connectors"]) == ([], 0)
    assert template["selector"]["labels"] == ["site:north"]
    assert own["keys"] == {"HeartbeatInterval": "300"}
    assert [(item["key"], item["desired"], item["template"]) for item in shown["items"]] == [
        ("AcmeLed", "blue", "north"),
        ("HeartbeatInterval", "300", None),
    ]
    assert exported == 200
    written = (tmp_path / "charge-points.csv").read_text("utf-8")
    assert written.startswith("identity,name,")
    assert "00112233" not in written
    again = await page.run(commands[0])
    # RDAM-0002 has got a label since, and UTR-0002 is there now.
    assert ends(again) == ["unchanged", "updated", "unchanged", "error"]


def test_the_page_names_each_column_and_state() -> None:
    text = OperatorPage("fleet.md").text
    assert [name for name in (*spreadsheet.COLUMNS, *get_args(KeyProgress)) if f"`{name}`" not in text] == []
