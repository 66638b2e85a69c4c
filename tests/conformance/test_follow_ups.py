"""Cases in which a command shows what followed it (OCPP 1.6 chapter 5)."""

from typing import Any

import pytest

from app.settings import Settings
from tests.support.certification import BOOT, Station, at

ACCEPTED = {"status": "Accepted"}


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """Settings with a window that ends within a test."""
    return settings.model_copy(update={"remote_start_window_s": 0.1})


async def test_tc_011_2_a_remote_start_without_a_start_has_no_effect(station: Station) -> None:
    payload = {"idTag": "TAG", "connectorId": 1}
    _, command = await station.commanded("RemoteStartTransaction", payload, ACCEPTED)
    await station.status(1, "Preparing")
    await station.status(1, "Available")
    await station.until_effect(command, "no_effect")
    assert (await station.command(command))["state"] == "accepted"
    assert await station.transactions() == []


@pytest.mark.parametrize("reconnects", [True, False], ids=["on a new socket", "on the same socket"])
async def test_tc_013_a_hard_reset_ends_the_transaction_and_is_followed_by_a_boot(
    station: Station, reconnects: bool
) -> None:
    await _reset(station, "Hard", reconnects)


@pytest.mark.parametrize("reconnects", [True, False], ids=["on a new socket", "on the same socket"])
async def test_tc_014_a_soft_reset_ends_the_transaction_and_is_followed_by_a_boot(
    station: Station, reconnects: bool
) -> None:
    await _reset(station, "Soft", reconnects)


async def _reset(station: Station, kind: str, reconnects: bool) -> None:
    transaction_id = (await station.start())["transactionId"]
    sent, command = await station.commanded("Reset", {"type": kind}, ACCEPTED)
    assert (sent, command["state"]) == ({"type": kind}, "accepted")
    await station.stop(transaction_id, reason=f"{kind}Reset")
    if reconnects:
        await station.reconnect()
    await station.boot()
    await station.until_effect(command, "booted")
    assert (await station.transaction(transaction_id))["stop_reason"] == f"{kind}Reset"


MESSAGES: list[tuple[str, dict[str, Any]]] = [
    ("BootNotification", BOOT),
    ("DiagnosticsStatusNotification", {"status": "Idle"}),
    ("FirmwareStatusNotification", {"status": "Idle"}),
    ("Heartbeat", {}),
    (
        "MeterValues",
        {"connectorId": 1, "meterValue": [{"timestamp": at(), "sampledValue": [{"value": "1"}]}]},
    ),
    ("StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"}),
]


@pytest.mark.parametrize(("message", "payload"), MESSAGES, ids=[message for message, _ in MESSAGES])
async def test_tc_054_the_message_that_followed_is_linked_to_the_trigger(
    station: Station, message: str, payload: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {"requestedMessage": message}
    if "connectorId" in payload:
        asked["connectorId"] = 1
    sent, command = await station.commanded("TriggerMessage", asked, ACCEPTED)
    assert (sent, command["state"]) == (asked, "accepted")
    await station.call(message, payload)
    effect = await station.until_effect(command, "message_received")
    assert effect["action"] == message


SCHEDULE = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}]}
PROFILE = {
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": SCHEDULE,
}


async def test_tc_059_a_remote_start_carries_a_stored_profile_without_a_transaction(station: Station) -> None:
    stored = await station.operator.post(
        "/charging-profiles", {"description": "case", "charging_profile": PROFILE}
    )
    path = f"{station.path}/commands/RemoteStartTransaction?wait=20&charging_profile_id={stored['id']}"
    payload = {"idTag": "TAG", "connectorId": 1}
    sent, command = await station.answered(path, payload, "RemoteStartTransaction", ACCEPTED)
    assert sent["chargingProfile"] == {"chargingProfileId": stored["id"], **PROFILE}
    assert command["state"] == "accepted"
    transaction_id = (await station.start())["transactionId"]
    effect = await station.until_effect(command, "transaction_started")
    assert effect["transactionId"] == transaction_id
    (item,) = (await station.operator.get(f"{station.path}/charging-profiles"))["items"]
    assert (item["charging_profile_id"], item["state"], item["waiting"]) == (stored["id"], "accepted", False)
    assert item["connector_id"] == 1
