"""Each command of docs/security-profiles.md, as an operator would run it."""

import asyncio
import json
import shutil
from typing import Any, get_args

import pytest

from app.security_changes.records import ChangeState
from app.types import Scope
from tests.gateway.conftest import server
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage, new_key
from tests.support.raw_client import RawClient

__all__ = ["server"]

EVENT = {"type": "TamperDetectionActivated", "timestamp": "2026-01-01T10:00:00Z"}


async def agree(charger: RawClient) -> None:
    """Accept each ChangeConfiguration."""
    while True:
        message: list[Any] = json.loads(await charger.text())
        if message[0] == 2:
            charger.send(json.dumps([3, message[1], {"status": "Accepted"}]))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_work_as_they_are_written(server: GatewayServer) -> None:
    page = OperatorPage("security-profiles.md")
    await server.register("RDAM-1")
    charger = await server.connect("RDAM-1")
    assert (await charger.call("SecurityEventNotification", EVENT))[0] == 3
    agreeing = asyncio.create_task(agree(charger))
    await page.log_in(server, KEY=await new_key(server, *get_args(Scope)))
    answers: list[Any] = []
    for command in page.commands:
        if "$ALARM" in command:
            command = command.replace("$ALARM", str(answers[-1]["items"][0]["id"]))
        answers.append(await page.run(command))
    agreeing.cancel()
    rotation, rotations, policy, raised, profile, everybody, lowered, events, alarms, alarm = answers
    assert rotations["items"][0]["id"] == rotation["id"]
    assert policy["every_days"] == 90
    assert (raised["to_profile"], raised["kind"]) == (2, "security_profile")
    assert (profile["profile"], profile["newest_raise"]["id"]) == (1, raised["id"])
    assert (everybody, lowered["required"]) == ({"minimum": 1}, 1)
    assert [event["type"] for event in events["items"]] == [EVENT["type"]]
    assert (alarms["counts"]["open"], alarm["acknowledged_at"] is not None) == (1, True)


def test_the_page_names_each_state() -> None:
    text = OperatorPage("security-profiles.md").text
    assert [state for state in get_args(ChangeState) if f"`{state}`" not in text] == []
