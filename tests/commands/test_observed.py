"""Observed effects of commands: on a real socket, after another login, and when nothing follows."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.commands.records import CommandRecord, CommandRequest
from app.commands.service import CommandService
from app.commands.store.commands import CommandStore
from app.commands.store.reaper import LostCommandStore
from app.types import TenantId
from tests.gateway.conftest import server
from tests.support.asked import AskedCharger, charger
from tests.support.gateway import GatewayServer

__all__ = ["server"]

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Duo 22"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
VALUES = {
    "connectorId": 1,
    "meterValue": [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "1"}]}],
}


@pytest.fixture
async def point(server: GatewayServer) -> AsyncIterator[AskedCharger]:
    """A charge point that has booted."""
    await server.register("CP-1")
    async with charger(server, "CP-1", boot=BOOT) as asked:
        yield asked


async def issue(
    server: GatewayServer, action: str, payload: str, identity: str = "CP-1", wait_s: float = 20
) -> CommandRecord:
    request = CommandRequest(identity, action, payload, "test")
    return await service_of(server).issue(TenantId(server.tenant.id), request, wait_s=wait_s)


def service_of(server: GatewayServer) -> CommandService:
    found: CommandService = server.services.commands
    return found


async def effect(server: GatewayServer, command_id: UUID) -> Any:
    """Return what is recorded of an effect, when all that runs in the background is done."""
    await service_of(server).settle()
    return (await service_of(server).get(TenantId(server.tenant.id), command_id)).effect


@pytest.mark.parametrize(
    ("message", "payload", "place"),
    [
        ("StatusNotification", STATUS, {"connectorId": 1}),
        ("MeterValues", VALUES, {"connectorId": 1}),
        ("Heartbeat", {}, {}),
        ("BootNotification", BOOT, {}),
    ],
)
async def test_a_trigger_leads_to_the_message_that_follows(
    server: GatewayServer, point: AskedCharger, message: str, payload: dict[str, Any], place: dict[str, Any]
) -> None:
    command = await issue(server, "TriggerMessage", f'{{"requestedMessage":"{message}"}}')
    assert (command.state, command.status, command.effect) == ("accepted", "Accepted", None)
    answer = await point.call(message, payload)
    assert answer[0] == 3
    found = await effect(server, command.id)
    received_at = found.pop("receivedAt")
    assert abs(datetime.fromisoformat(received_at) - datetime.now(UTC)) < timedelta(minutes=1)
    assert found == {
        "observed": "message_received",
        "action": message,
        **place,
        "messageId": answer[1],
    }
    # A second message is not awaited, so the core answers it by itself again.
    assert (await point.call(message, payload))[0] == 3
    assert (await effect(server, command.id))["messageId"] == answer[1]


async def test_the_message_of_another_connector_is_none_of_it(
    server: GatewayServer, point: AskedCharger
) -> None:
    command = await issue(
        server, "TriggerMessage", '{"requestedMessage":"StatusNotification","connectorId":2}'
    )
    await point.call("StatusNotification", STATUS)
    await point.call("MeterValues", {**VALUES, "connectorId": 2})
    assert await effect(server, command.id) is None
    await point.call("StatusNotification", {**STATUS, "connectorId": 2})
    assert (await effect(server, command.id))["connectorId"] == 2


async def test_two_triggers_have_a_message_each(server: GatewayServer, point: AskedCharger) -> None:
    text = '{"requestedMessage":"Heartbeat"}'
    commands = [await issue(server, "TriggerMessage", text) for _ in range(2)]
    ids = [(await point.call("Heartbeat", {}))[1] for _ in range(2)]
    assert [(await effect(server, one.id))["messageId"] for one in commands] == ids


@pytest.mark.parametrize(
    ("answer", "is_observed"),
    [({"status": "Accepted"}, True), ({"status": "Rejected"}, False), ("NotSupported", False)],
)
async def test_a_message_before_the_answer_counts_if_it_was_accepted(
    server: GatewayServer, answer: Any, is_observed: bool
) -> None:
    await server.register("CP-1")
    async with charger(server, "CP-1", lambda *_: None, boot=BOOT) as point:
        waiting = asyncio.ensure_future(issue(server, "TriggerMessage", '{"requestedMessage":"Heartbeat"}'))
        await point.until(1)
        message_id = (await point.call("Heartbeat", {}))[1]
        if isinstance(answer, str):
            point.client.send(f'[4,"{point._ids[0]}","{answer}","",{{}}]')
        else:
            point.answer(0, answer)
        command = await waiting
        found = await effect(server, command.id)
        assert (found and found["messageId"]) == (message_id if is_observed else None)


async def test_a_reset_leads_to_a_boot_on_the_same_socket(server: GatewayServer, point: AskedCharger) -> None:
    command = await issue(server, "Reset", '{"type":"Soft"}')
    booted = await point.call("BootNotification", BOOT)
    found = await effect(server, command.id)
    assert (found["observed"], found["messageId"]) == ("booted", booted[1])
    await point.call("BootNotification", BOOT)
    assert (await effect(server, command.id)) == found


async def test_a_reset_leads_to_a_boot_after_the_next_login(server: GatewayServer) -> None:
    await server.register("CP-1")
    async with charger(server, "CP-1", boot=BOOT):
        command = await issue(server, "Reset", '{"type":"Hard"}')
        assert command.effect is None
    async with charger(server, "CP-1", boot=BOOT):
        assert (await effect(server, command.id))["observed"] == "booted"


async def test_a_boot_that_was_triggered_is_no_effect_of_a_reset(
    server: GatewayServer, point: AskedCharger
) -> None:
    reset = await issue(server, "Reset", '{"type":"Soft"}')
    trigger = await issue(server, "TriggerMessage", '{"requestedMessage":"BootNotification"}')
    await point.call("BootNotification", BOOT)
    assert await effect(server, reset.id) is None
    assert (await effect(server, trigger.id))["observed"] == "message_received"
    await point.call("BootNotification", BOOT)
    assert (await effect(server, reset.id))["observed"] == "booted"


async def test_a_rejected_reset_and_a_boot_before_it_are_unrelated(server: GatewayServer) -> None:
    await server.register("CP-1")
    async with charger(server, "CP-1", lambda *_: {"status": "Rejected"}, boot=BOOT) as point:
        command = await issue(server, "Reset", '{"type":"Soft"}')
        await point.call("BootNotification", BOOT)
        assert await effect(server, command.id) is None


@pytest.mark.parametrize(("connector_id", "reported"), [(1, 1), (0, 0), (0, 2)])
async def test_a_change_of_availability_leads_to_a_status(
    server: GatewayServer, point: AskedCharger, connector_id: int, reported: int
) -> None:
    payload = f'{{"connectorId":{connector_id},"type":"Inoperative"}}'
    command = await issue(server, "ChangeAvailability", payload)
    await point.call("StatusNotification", {**STATUS, "status": "Charging"})
    if connector_id:
        await point.call("StatusNotification", {**STATUS, "connectorId": 2, "status": "Unavailable"})
    assert await effect(server, command.id) is None
    status = {**STATUS, "connectorId": reported, "status": "Unavailable"}
    await point.call("StatusNotification", status)
    found = await effect(server, command.id)
    assert (found["observed"], found["status"]) == ("status_reported", "Unavailable")
    assert found["connectorId"] == reported


async def test_nothing_follows_and_then_something_late(server: GatewayServer, point: AskedCharger) -> None:
    command = await issue(server, "Reset", '{"type":"Soft"}')
    later = datetime.now(UTC) + timedelta(seconds=901)
    async with server.database.platform() as work:
        await LostCommandStore(work).note_no_effect(later, ["Reset"])
    assert await effect(server, command.id) == {"observed": "no_effect"}
    await point.call("BootNotification", BOOT)
    assert (await effect(server, command.id))["observed"] == "booted"


async def test_what_is_not_awaited_is_not_shown_and_costs_nothing(
    server: GatewayServer, point: AskedCharger, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    endpoint = server.endpoint
    monkeypatch.setattr(
        type(endpoint._services.commands), "received", lambda _, __, call: seen.append(call.action)
    )
    for message, payload in (("Heartbeat", {}), ("StatusNotification", STATUS), ("MeterValues", VALUES)):
        assert (await point.call(message, payload))[0] == 3
    assert seen == []
    async with server.database.tenant(TenantId(server.tenant.id)) as work:
        assert await CommandStore(work).page(5) == []
