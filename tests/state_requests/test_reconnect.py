"""The state after a login without a boot, on real sockets."""

import asyncio
from typing import Any

import httpx
import pytest

from app.charge_points.records import ChargePointRecord
from app.commands.records import CommandRecord
from app.commands.store.commands import CommandStore
from app.main import create_app
from app.state_requests.records import STATE_ISSUER
from tests.support.asked import agree, charger
from tests.support.gateway import GatewayServer, serve, until
from tests.support.operator_page import new_key
from tests.support.raw_client import close_all

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Duo", "firmwareVersion": "1.0"}
START = {"connectorId": 2, "idTag": "TAG", "meterStart": 0, "timestamp": "2026-01-01T10:00:00Z"}
KEYS = ["NumberOfConnectors", "SupportedFeatureProfiles", "HeartbeatInterval", "MeterValueSampleInterval"]


def status(connector_id: int, value: str = "Charging") -> dict[str, Any]:
    return {"connectorId": connector_id, "status": value, "errorCode": "NoError"}


async def boot_once(server: GatewayServer, identity: str, connectors: int = 2) -> ChargePointRecord:
    """Register a charge point that has booted before, and charges on connector 2."""
    record = await server.register(identity)
    async with charger(server, identity, boot=BOOT) as first:
        for connector_id in range(connectors + 1):
            await first.call("StatusNotification", status(connector_id))
        if connectors > 1:
            assert (await first.call("StartTransaction", START))[0] == 3
        assert first.asked == []
    return record


async def commands_of(server: GatewayServer) -> list[CommandRecord]:
    async with server.database.tenant(server.tenant.id) as work:
        return list(reversed(await CommandStore(work).page(50)))


async def quiet(seconds: float = 0.6) -> None:
    """Let the time pass in which questions would come."""
    await asyncio.sleep(seconds)


async def test_each_connector_then_the_meter_of_the_transaction(server: GatewayServer) -> None:
    await boot_once(server, "CP1")
    async with charger(server, "CP1") as back:
        await back.until(5)
        assert back.questions == [
            "StatusNotification -",
            "StatusNotification 0",
            "StatusNotification 1",
            "StatusNotification 2",
            "MeterValues 2",
        ]
        await quiet(0.3)
        assert len(back.asked) == 5
    issued = await commands_of(server)
    assert {command.issued_by for command in issued} == {STATE_ISSUER}
    assert {command.state for command in issued} == {"accepted"}


async def test_a_connector_that_has_reported_is_not_asked_again(server: GatewayServer) -> None:
    await boot_once(server, "CP1")
    async with charger(server, "CP1") as back:
        await back.until(1)
        for connector_id in (0, 2):
            await back.call("StatusNotification", status(connector_id))
        await back.until(3)
        assert back.questions == ["StatusNotification -", "StatusNotification 1", "MeterValues 2"]


async def test_a_charge_point_that_boots_is_asked_nothing(server: GatewayServer) -> None:
    await boot_once(server, "CP1")
    async with charger(server, "CP1", boot=BOOT) as back:
        await quiet()
        assert back.asked == []


@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
async def test_one_that_is_not_accepted_is_asked_nothing(server: GatewayServer, registration: str) -> None:
    await server.register("CP1", registration_status=registration)
    async with charger(server, "CP1") as back:
        await quiet()
        assert back.asked == []


async def test_a_boot_is_asked_for_only_if_the_model_is_unknown(server: GatewayServer) -> None:
    await server.register("CP1")
    async with charger(server, "CP1") as back:
        await back.call("StatusNotification", status(2))
        assert (await back.call("StartTransaction", START))[0] == 3
        await back.until(1)
        assert back.questions[:1] == ["BootNotification -"]
        await back.call("BootNotification", BOOT)
        await back.until(4)
        assert back.questions[1:] == ["StatusNotification -", "StatusNotification 2", "MeterValues 2"]
    async with charger(server, "CP1") as again:
        await again.until(3)
        assert again.questions == ["StatusNotification -", "StatusNotification 2", "MeterValues 2"]


@pytest.mark.parametrize("answer", [{"status": "NotImplemented"}, "NotImplemented", "NotSupported"])
async def test_without_triggers_the_configuration_is_asked(server: GatewayServer, answer: Any) -> None:
    await boot_once(server, "CP1")

    def refuse(action: str, payload: dict[str, Any]) -> Any:
        if action == "TriggerMessage":
            return answer
        found = [{"key": "NumberOfConnectors", "value": "2", "readonly": True}]
        return {"configurationKey": found, "unknownKey": KEYS[1:]}

    async with charger(server, "CP1", refuse) as back:
        await back.until(2)
        assert back.asked[1] == ("GetConfiguration", {"key": KEYS})
        await quiet(0.3)
        assert len(back.asked) == 2
    async with charger(server, "CP1", refuse) as again:
        await again.until(1)
        await quiet()
        assert again.questions == ["GetConfiguration"], "the refusal is remembered"
    async with charger(server, "CP1", refuse, boot={**BOOT, "firmwareVersion": "2.0"}):
        pass
    async with charger(server, "CP1", refuse) as after:
        await after.until(1)
        assert after.questions[0] == "StatusNotification -", "a newer firmware is asked again"
    key = await new_key(server)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        shown = await client.get(
            "/v1/charge-points/CP1/configuration", headers={"Authorization": f"Bearer {key}"}
        )
    assert [(item["key"], item["value"]) for item in shown.json()["items"]] == [("NumberOfConnectors", "2")]


async def test_one_that_lists_no_remote_trigger_is_not_triggered(server: GatewayServer) -> None:
    await boot_once(server, "CP1")

    def core_only(action: str, payload: dict[str, Any]) -> dict[str, Any]:
        found = [{"key": "SupportedFeatureProfiles", "value": "Core,SmartCharging", "readonly": True}]
        return {"configurationKey": found} if action == "GetConfiguration" else {"status": "NotImplemented"}

    async with charger(server, "CP1", core_only) as first:
        await first.until(2)
        await quiet(0.2)
    async with server.database.tenant(server.tenant.id) as work:
        await work.connection.exec_driver_sql("delete from trigger_refusals")
    async with charger(server, "CP1", core_only) as back:
        await back.until(1)
        assert back.questions == ["GetConfiguration"]


async def test_one_that_refuses_is_not_asked_for_each_connector(server: GatewayServer) -> None:
    await boot_once(server, "CP1")
    async with charger(server, "CP1", lambda action, payload: {"status": "Rejected"}) as back:
        await back.until(4)
        await quiet(0.3)
        assert back.questions == [
            "StatusNotification -",
            "StatusNotification 0",
            "StatusNotification 1",
            "MeterValues 2",
        ]
    assert {command.state for command in await commands_of(server)} == {"rejected"}


async def test_silence_ends_the_questions(server: GatewayServer) -> None:
    await boot_once(server, "CP1")
    hasty = server.settings.model_copy(update={"call_timeout_s": 1.0})
    app = create_app(hasty)
    async with serve(app, hasty) as port:
        elsewhere = GatewayServer(port, app, server.database, server.tenant, hasty)
        async with charger(elsewhere, "CP1", lambda action, payload: None) as back:
            await back.until(1)
            await quiet(1.8)
            assert back.questions == ["StatusNotification -"]
        await close_all()
    assert [command.state for command in await commands_of(server)] == ["timed_out"]


async def test_no_answer_ends_the_questions(server: GatewayServer) -> None:
    await boot_once(server, "CP1")
    async with charger(server, "CP1", lambda action, payload: None) as back:
        await back.until(1)
        await back.client.close()
    async with charger(server, "CP1") as again:
        await again.until(5)
    states = [command.state for command in await commands_of(server)]
    assert states[0] == "connection_lost"
    assert states[1:] == ["accepted"] * 5


async def test_a_command_of_the_operator_comes_first(server: GatewayServer) -> None:
    await boot_once(server, "CP1")

    def hold_the_first(action: str, payload: dict[str, Any]) -> Any:
        return None if payload == {"requestedMessage": "StatusNotification"} else agree(action, payload)

    headers = {"Authorization": f"Bearer {await new_key(server, 'read', 'command')}"}
    async with (
        charger(server, "CP1", hold_the_first) as back,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", headers=headers) as client,
    ):
        await back.until(1)
        path = "/v1/charge-points/CP1/commands/ClearCache"
        for _ in range(3):
            assert (await client.post(path, json={})).status_code == 202
        back.answer(0, {"status": "Accepted"})
        await back.until(8)
        assert back.questions[:4] == ["StatusNotification -", *["ClearCache"] * 3]
        assert back.questions[4:] == [
            "StatusNotification 0",
            "StatusNotification 1",
            "StatusNotification 2",
            "MeterValues 2",
        ]


async def test_the_setting_switches_it_off(server: GatewayServer) -> None:
    await boot_once(server, "CP1")
    off = server.settings.model_copy(update={"state_requests": False})
    app = create_app(off)
    async with serve(app, off) as port:
        elsewhere = GatewayServer(port, app, server.database, server.tenant, off)
        async with charger(elsewhere, "CP1") as back:
            await quiet()
            assert back.asked == []
        await close_all()


@pytest.mark.parametrize(
    ("habit", "questions"), [("nothing", []), ("configuration", ["GetConfiguration"]), ("ask", None)]
)
async def test_a_habit_switches_it_off(
    server: GatewayServer, habit: str, questions: list[str] | None
) -> None:
    await boot_once(server, "CP1")
    key = await new_key(server)
    profile = {"name": "quiet", "vendor": "acme", "habits": {"state_after_login": {"value": habit}}}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        made = await client.post(
            "/v1/quirk-profiles", json=profile, headers={"Authorization": f"Bearer {key}"}
        )
        assert made.status_code == 201, made.text
    async with charger(server, "CP1") as back:
        await quiet()
        assert back.questions[:1] == (questions if questions is not None else ["StatusNotification -"])


async def test_a_storm_of_reconnects_is_asked_at_the_rate(server: GatewayServer) -> None:
    names = [f"CP{number}" for number in range(6)]
    for name in names:
        await boot_once(server, name, connectors=1)
    slow = server.settings.model_copy(update={"state_requests_per_minute": 4})
    app = create_app(slow)
    async with serve(app, slow) as port:
        elsewhere = GatewayServer(port, app, server.database, server.tenant, slow)
        contexts = [charger(elsewhere, name) for name in names]
        chargers = [await context.__aenter__() for context in contexts]
        await until(lambda: sum(len(one.asked) for one in chargers) >= 4)
        await quiet()
        assert sum(len(one.asked) for one in chargers) == 4
        for context in contexts:
            await context.__aexit__(None, None, None)
        await close_all()
