"""A charge point keeps what it is told: configuration, local list, reservations, charging profiles."""

from datetime import UTC, datetime, timedelta

from tests.system.clients.bench import TAG, Bench, at
from tests.system.clients.charging import start, status, stop

LIMIT = {
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.4}],
    },
}


async def has_configuration(bench: Bench) -> None:
    """ChangeConfiguration and GetConfiguration: the values are in the view of the configuration."""
    path = f"{bench.path}/configuration"
    change = {"key": "MeterValueSampleInterval", "value": "60"}
    changed = await bench.command("ChangeConfiguration", change)
    values = {one["key"]: one for one in (await bench.operator.get(path))["items"]}
    assert values["MeterValueSampleInterval"]["value"] == "60"
    assert values["MeterValueSampleInterval"]["source"] == "ChangeConfiguration"
    assert (await bench.effect(changed, "configuration_changed"))["key"] == "MeterValueSampleInterval"
    told = [
        {"key": "MeterValueSampleInterval", "readonly": False, "value": "60"},
        {"key": "ChargeProfileMaxStackLevel", "readonly": True, "value": "3"},
    ]
    await bench.peer.answer("GetConfiguration", {"configurationKey": told, "unknownKey": ["Unheard"]})
    keys = ["MeterValueSampleInterval", "ChargeProfileMaxStackLevel", "Unheard"]
    read = await bench.command("GetConfiguration", {"key": keys})
    assert read["result"]["unknownKey"] == ["Unheard"]
    effect = await bench.effect(read, "configuration_reported")
    assert effect["keys"] == 2
    shown = {one["key"]: one for one in (await bench.operator.get(path))["items"]}
    assert (
        shown["ChargeProfileMaxStackLevel"]["value"],
        shown["ChargeProfileMaxStackLevel"]["readonly"],
    ) == (*("3", True),)
    assert shown["MeterValueSampleInterval"]["source"] == "GetConfiguration"


async def has_a_local_list(bench: Bench) -> None:
    """SendLocalList and GetLocalListVersion, first by raw commands, then kept in step by the server."""
    path = f"{bench.path}/local-list"
    entry = {"idTag": TAG, "idTagInfo": {"status": "Accepted"}}
    sent = await bench.command(
        "SendLocalList", {"listVersion": 5, "updateType": "Full", "localAuthorizationList": [entry]}
    )
    assert (await bench.effect(sent, "local_list_updated"))["listVersion"] == 5
    await bench.peer.answer("GetLocalListVersion", {"listVersion": 5})
    asked = await bench.command("GetLocalListVersion", {})
    assert (await bench.effect(asked, "local_list_version"))["listVersion"] == 5
    shown = await bench.operator.get(path)
    assert (shown["known_version"], shown["reported_version"], shown["state"]) == (5, 5, "unmanaged")
    await bench.operator.post("/id-tags", {"id_tag": "SECOND"})
    await bench.operator.post("/local-lists", {"name": "fleet", "id_tags": [TAG, "SECOND"], "selector": {}})
    synced = await bench.until(path, lambda one: one["state"] == "in_sync")
    update = await bench.asked("SendLocalList", 2)
    assert update["listVersion"] == synced["known_version"] > 5
    assert synced["known_entries"] == 2
    await bench.peer.answer("GetLocalListVersion", {"listVersion": synced["known_version"]})


async def is_reserved(bench: Bench) -> None:
    """ReserveNow and CancelReservation: one reservation is used, one is cancelled."""
    path, peer = f"{bench.path}/reservations", bench.peer
    expires_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    order = {"connector_id": 1, "id_tag": TAG, "expires_at": expires_at}
    made = await bench.operator.post(f"{path}?wait=20", order)
    assert (made["state"], made["status"]) == ("reserved", "Accepted")
    number = made["reservation_id"]
    assert peer.last_asked("ReserveNow")["reservationId"] == number
    await peer.call("StatusNotification", status(1, "Reserved"))
    transaction_id = await start(bench, 5_000, reservationId=number)
    used = await bench.until(f"{path}/{number}", lambda one: one["state"] == "used")
    assert used["transaction_id"] == transaction_id
    command = await bench.operator.get(f"/commands/{used['command_id']}")
    effect = await bench.effect(command, "reservation_used")
    assert effect["reservationId"] == number
    assert (await bench.operator.get(f"/transactions/{transaction_id}"))["reservation_id"] == number
    await stop(bench, transaction_id, 5_100)
    await peer.call("StatusNotification", status(1, "Available"))

    raw = {"connectorId": 2, "idTag": TAG, "expiryDate": expires_at, "reservationId": 77}
    reserved = await bench.command("ReserveNow", raw)
    assert (await bench.effect(reserved, "reservation_made"))["reservationId"] == 77
    cancelled = await bench.operator.delete(f"{path}/77?wait=20")
    assert (cancelled["state"], cancelled["action"]) == ("accepted", "CancelReservation")
    assert (await bench.effect(cancelled, "reservation_cancelled"))["reservationId"] == 77
    assert (await bench.operator.get(f"{path}/77"))["state"] == "cancelled"


async def has_charging_profiles(bench: Bench) -> None:
    """SetChargingProfile, GetCompositeSchedule and ClearChargingProfile: the ledger follows them."""
    ledger = f"{bench.path}/charging-profiles"
    stored = await bench.operator.post(
        "/charging-profiles", {"description": "Base", "charging_profile": LIMIT}
    )
    number = stored["id"]
    installed = await bench.operator.post(
        f"{bench.path}/connectors/1/charging-profiles?wait=20", {"charging_profile_id": number}
    )
    [command] = installed["commands"]
    assert (command["state"], command["action"]) == ("accepted", "SetChargingProfile")
    sent = bench.peer.last_asked("SetChargingProfile")["csChargingProfiles"]
    assert sent["chargingProfileId"] == number
    assert float(sent["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"]) == 16.4
    effect = await bench.effect(command, "charging_profile_set")
    assert (effect["chargingProfileId"], effect["connectorId"]) == (number, 1)
    [known] = (await bench.operator.get(ledger))["items"]
    assert (known["charging_profile_id"], known["state"], known["command_id"]) == (
        *(number, "accepted", command["id"]),
    )
    schedule = {
        "duration": 3600,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.4}],
    }
    answer = {"status": "Accepted", "connectorId": 1, "scheduleStart": at(), "chargingSchedule": schedule}
    await bench.peer.answer("GetCompositeSchedule", answer)
    compared = await bench.operator.get(
        f"{bench.path}/connectors/1/composite-schedule", ask="true", duration=3600
    )
    assert bench.peer.last_asked("GetCompositeSchedule")["connectorId"] == 1
    assert compared["ours"]["chargingSchedulePeriod"][0]["limit"] == 16.4
    assert compared["reported"]["schedule"]["chargingSchedulePeriod"][0]["limit"] == 16.4
    assert compared["drift"]["agrees"] is True
    cleared = await bench.operator.delete(f"{ledger}?charging_profile_id={number}&wait=20")
    [command] = cleared["commands"]
    assert (command["state"], bench.peer.last_asked("ClearChargingProfile")) == ("accepted", {"id": number})
    assert await bench.effect(command, "charging_profiles_cleared")
    assert (await bench.operator.get(ledger))["items"] == []
