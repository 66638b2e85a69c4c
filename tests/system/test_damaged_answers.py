"""Damaged answers to commands, over a real socket: each ends its command at once, and no secret is shown."""

import asyncio
import json
from typing import Any

import pytest

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.account import open_account
from tests.support.server import Operator, Served, connecting, served

__all__ = ["served"]

pytestmark = pytest.mark.slow

DAMAGED = [
    '[3,"{id}",{{"configurationKey":[]',
    '[3,"{id}",{{"configurationKey":[{{"key":"A"',
    '[3,"{id}"',
    '[3,"{id}',
    '[4,"{id}"]',
    '[4,"{id}","Gen',
    '[4,"{id}",null,null,null]',
    '[3,"{id}",{{"configurationKey":[]}}',
    '[3,"{id}",{{"configurationKey":[}}]',
    '[3,"{id}","configurationKey"]',
    '[3,"{id}",{{"configurationKey":"A","configurationKey":"B"}}]',
    '["3","{id}",{{}}]',
    "{{'id':'{id}'}}",
]


async def test_each_damaged_answer_ends_its_command_and_nothing_else(
    served: Served, database: Database, settings: Settings, tenant: TenantRecord
) -> None:
    account = await open_account(database, settings, tenant)
    async with Operator(served.url, account.token) as operator:
        key = await operator.register("CP-1")
        async with connecting(served, account.slug, "CP-1", key) as socket, asyncio.timeout(60):
            for text in DAMAGED:
                first = asyncio.create_task(operator.command("CP-1", "GetConfiguration", {}))
                call = json.loads(await socket.recv())
                second = asyncio.create_task(operator.command("CP-1", "ClearCache", {}))
                await asyncio.sleep(0)
                answer = text.format(id=call[1])
                await socket.send(answer)
                ended = await first
                assert (ended["state"], ended["error"]["code"]) == ("call_error", "unreadable_answer"), text
                assert ended["error"]["text"] == answer
                # Whatever comes next is the next CALL: no CALLERROR answers an answer.
                following = json.loads(await socket.recv())
                assert following[2] == "ClearCache", text
                await socket.send(json.dumps([3, following[1], {"status": "Accepted"}]))
                assert (await second)["state"] == "accepted"


async def test_an_answer_with_names_in_another_case_is_understood(
    served: Served, database: Database, settings: Settings, tenant: TenantRecord
) -> None:
    account = await open_account(database, settings, tenant)
    async with Operator(served.url, account.token) as operator:
        key = await operator.register("CP-3")
        async with connecting(served, account.slug, "CP-3", key) as socket, asyncio.timeout(60):
            command = asyncio.create_task(operator.command("CP-3", "GetConfiguration", {}))
            call = json.loads(await socket.recv())
            found = {"Key": "HeartbeatInterval", "Readonly": True, "Value": "60"}
            await socket.send(json.dumps([3, call[1], {"ConfigurationKey": [found]}]))
            ended = await command
            assert (ended["state"], ended["result"]) == (
                "accepted",
                {"configurationKey": [{"key": "HeartbeatInterval", "readonly": True, "value": "60"}]},
            )


async def test_no_secret_of_a_vendor_is_shown_anywhere(
    served: Served, database: Database, settings: Settings, tenant: TenantRecord
) -> None:
    account = await open_account(database, settings, tenant)
    secret = "Hunter2Hunter2"
    answers: list[tuple[str, dict[str, Any], str]] = [
        (
            "ChangeConfiguration",
            {"key": "StationPassword", "value": secret},
            '[3,"{id}",{{"status":"Accepted"}}]',
        ),
        (
            "ChangeConfiguration",
            {"key": "G_CardPin", "value": secret},
            '[4,"{id}","PropertyConstraintViolation","bad: hunter2hunter2",{{"given":"Hunter2Hunter2"}}]',
        ),
        (
            "GetConfiguration",
            {},
            '[3,"{id}",{{"configurationKey":[{{"key":"AuthorizationKey ","readonly":false,'
            '"value":"Hunter2Hunter2"}},{{"key":"G_CardPin","value":"Hunter2Hunter2"}}]}}]',
        ),
        (
            "GetConfiguration",
            {},
            '[3,"{id}",{{"ConfigurationKey":[{{"Key":"AuthorizationKey","Value":"Hunter2Hunter2"}}]}}]',
        ),
        (
            "GetConfiguration",
            {},
            '[3,"{id}",{{"configurationKey":[{{"key":"ftp_pass","value":"Hunter2Hunter2"',
        ),
        (
            "DataTransfer",
            {"vendorId": "v", "data": json.dumps({"password": secret})},
            '[3,"{id}",{{"status":"Accepted","data":"password=Hunter2Hunter2"}}]',
        ),
        ("GetDiagnostics", {"location": f"ftp://user:{secret}@host/x"}, '[3,"{id}",{{}}]'),
    ]
    async with Operator(served.url, account.token) as operator:
        key = await operator.register("CP-2")
        async with connecting(served, account.slug, "CP-2", key) as socket, asyncio.timeout(60):
            for action, payload, answer in answers:
                command = asyncio.create_task(operator.command("CP-2", action, payload))
                call = json.loads(await socket.recv())
                assert secret in json.dumps(call) or action == "GetConfiguration"
                await socket.send(answer.format(id=call[1]))
                assert secret.lower() not in json.dumps(await command).lower()
        # The frame log is written some moments later.
        frames: list[Any] = []
        while len(frames) < 2 * len(answers):
            await asyncio.sleep(0.1)
            frames = (await operator.get("/charge-points/CP-2/frames", limit=100))["items"]
        for path in ("frames", "configuration"):
            shown = json.dumps(await operator.get(f"/charge-points/CP-2/{path}"))
            assert secret.lower() not in shown.lower(), path
        view = (await operator.get("/charge-points/CP-2/configuration"))["items"]
        assert {item["key"].strip(): item["value"] for item in view} == {
            "StationPassword": "***",
            "AuthorizationKey": "***",
            "G_CardPin": "***",
        }
