"""Cases of the core profile in which the central system speaks first (OCPP 1.6 chapter 5)."""

from typing import Any

import pytest

from tests.support.certification import Station, at

ACCEPTED = {"status": "Accepted"}
REJECTED = {"status": "Rejected"}


async def _remote_start(station: Station) -> dict[str, Any]:
    payload = {"idTag": "TAG", "connectorId": 1}
    sent, command = await station.commanded("RemoteStartTransaction", payload, ACCEPTED)
    assert (sent, command["state"]) == (payload, "accepted")
    return command


async def test_tc_010_a_remote_start_shows_the_transaction_that_followed(station: Station) -> None:
    command = await _remote_start(station)
    await station.status(1, "Preparing")
    transaction_id = (await station.start())["transactionId"]
    effect = await station.until_effect(command, "transaction_started")
    assert effect["transactionId"] == transaction_id


async def test_tc_011_1_a_remote_start_may_come_before_the_plug(station: Station) -> None:
    command = await _remote_start(station)
    await station.status(1, "Preparing")
    await station.status(1, "Charging")
    transaction_id = (await station.start())["transactionId"]
    effect = await station.until_effect(command, "transaction_started")
    assert effect["transactionId"] == transaction_id
    stopping = {"transactionId": transaction_id}
    sent, stop = await station.commanded("RemoteStopTransaction", stopping, ACCEPTED)
    assert sent == stopping
    await station.stop(transaction_id, reason="Remote")
    assert (await station.until_effect(stop, "transaction_stopped"))["transactionId"] == transaction_id
    assert (await station.transaction(transaction_id))["stop_reason"] == "Remote"


async def test_tc_012_a_local_transaction_is_stopped_remotely(station: Station) -> None:
    transaction_id = (await station.start())["transactionId"]
    _, stop = await station.commanded("RemoteStopTransaction", {"transactionId": transaction_id}, ACCEPTED)
    await station.stop(transaction_id, reason="Remote")
    await station.until_effect(stop, "transaction_stopped")
    shown = await station.transaction(transaction_id)
    assert (shown["state"], shown["stop_reason"]) == ("stopped", "Remote")


async def test_tc_017_1_a_connector_without_a_transaction_is_unlocked(station: Station) -> None:
    await _unlocked(station, 1, "Unlocked", "accepted")


async def test_tc_017_2_a_connector_with_a_fixed_cable_is_not_unlocked(station: Station) -> None:
    await _unlocked(station, 1, "NotSupported", "rejected")


async def test_tc_018_1_a_connector_is_unlocked_during_a_transaction(station: Station) -> None:
    transaction_id = (await station.start())["transactionId"]
    await _unlocked(station, 1, "Unlocked", "accepted")
    await station.stop(transaction_id, reason="UnlockCommand")
    assert (await station.transaction(transaction_id))["stop_reason"] == "UnlockCommand"


async def test_tc_030_a_connector_that_stays_locked_is_a_result(station: Station) -> None:
    await _unlocked(station, 1, "UnlockFailed", "rejected")


async def test_tc_031_an_unknown_connector_is_asked_all_the_same(station: Station) -> None:
    await _unlocked(station, 99, "NotSupported", "rejected")


async def _unlocked(station: Station, connector: int, status: str, state: str) -> None:
    payload = {"connectorId": connector}
    sent, command = await station.commanded("UnlockConnector", payload, {"status": status})
    assert sent == payload
    assert (command["state"], command["result"]) == (state, {"status": status})


async def _configuration(station: Station) -> dict[str, Any]:
    shown = await station.operator.get(f"{station.path}/configuration")
    return {item["key"]: item["value"] for item in shown["items"]}


async def test_tc_019_1_the_whole_configuration_is_stored(station: Station) -> None:
    keys = [
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
        {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
    ]
    sent, command = await station.commanded("GetConfiguration", {}, {"configurationKey": keys})
    assert (sent, command["state"]) == ({}, "accepted")
    assert await _configuration(station) == {"HeartbeatInterval": "300", "NumberOfConnectors": "2"}


async def test_tc_019_2_a_single_key_is_stored_and_an_unknown_one_is_listed(station: Station) -> None:
    asked = {"key": ["SupportedFeatureProfiles", "Nonsense"]}
    found = {"key": "SupportedFeatureProfiles", "readonly": True, "value": "Core"}
    answer = {"configurationKey": [found], "unknownKey": ["Nonsense"]}
    sent, command = await station.commanded("GetConfiguration", asked, answer)
    assert sent == asked
    assert command["result"]["unknownKey"] == ["Nonsense"]
    assert (await _configuration(station))["SupportedFeatureProfiles"] == "Core"


async def test_tc_021_a_changed_key_is_in_the_configuration(station: Station) -> None:
    payload = {"key": "MeterValueSampleInterval", "value": "30"}
    sent, command = await station.commanded("ChangeConfiguration", payload, ACCEPTED)
    assert (sent, command["state"]) == (payload, "accepted")
    assert (await _configuration(station))["MeterValueSampleInterval"] == "30"


async def test_tc_040_1_a_key_that_the_charge_point_does_not_know_goes_out(station: Station) -> None:
    await _not_changed(station, {"key": "Nonsense", "value": "1"}, "NotSupported")


async def test_tc_040_2_a_value_that_the_charge_point_refuses_goes_out(station: Station) -> None:
    await _not_changed(station, {"key": "MeterValueSampleInterval", "value": "-1"}, "Rejected")


async def _not_changed(station: Station, payload: dict[str, str], status: str) -> None:
    sent, command = await station.commanded("ChangeConfiguration", payload, {"status": status})
    assert sent == payload
    assert (command["state"], command["result"]) == ("rejected", {"status": status})
    assert (await _configuration(station)).get(payload["key"]) is None


async def test_tc_026_a_rejected_remote_start_starts_nothing(station: Station) -> None:
    _, command = await station.commanded("RemoteStartTransaction", {"idTag": "TAG"}, REJECTED)
    assert (command["state"], command["effect"]) == ("rejected", None)
    assert await station.transactions() == []


async def test_tc_028_a_rejected_remote_stop_leaves_the_transaction_open(station: Station) -> None:
    transaction_id = (await station.start())["transactionId"]
    _, command = await station.commanded("RemoteStopTransaction", {"transactionId": transaction_id}, REJECTED)
    assert (command["state"], command["effect"]) == ("rejected", None)
    assert (await station.transaction(transaction_id))["state"] == "running"


async def test_tc_061_the_cache_is_cleared(station: Station) -> None:
    sent, command = await station.commanded("ClearCache", {}, ACCEPTED)
    assert (sent, command["state"]) == ({}, "accepted")


async def test_tc_055_a_rejected_trigger_is_a_result(station: Station) -> None:
    payload = {"requestedMessage": "MeterValues", "connectorId": 1}
    sent, command = await station.commanded("TriggerMessage", payload, REJECTED)
    assert sent == payload
    assert (command["state"], command["result"], command["effect"]) == ("rejected", REJECTED, None)


PROFILE = {
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "startSchedule": "2026-01-01T00:00:00Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
    },
}


async def _stored_profile(station: Station, **changes: Any) -> int:
    stored = await station.operator.post(
        "/charging-profiles", {"description": "case", "charging_profile": {**PROFILE, **changes}}
    )
    profile_id: int = stored["id"]
    return profile_id


async def test_tc_056_a_default_profile_goes_out_as_it_is_stored(station: Station) -> None:
    profile_id = await _stored_profile(station)
    sent = await _installed(station, profile_id, 0)
    assert sent == {"connectorId": 0, "csChargingProfiles": {"chargingProfileId": profile_id, **PROFILE}}
    shown = await station.operator.get(f"{station.path}/charging-profiles")
    (item,) = shown["items"]
    assert (item["charging_profile_id"], item["state"]) == (profile_id, "accepted")


async def test_tc_057_a_profile_of_a_transaction_names_it(station: Station) -> None:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}]}
    changes = {"chargingProfileKind": "Relative", "chargingSchedule": schedule}
    profile_id = await _stored_profile(station, chargingProfilePurpose="TxProfile", **changes)
    transaction_id = (await station.start())["transactionId"]
    sent = await _installed(station, profile_id, 1)
    assert sent["csChargingProfiles"]["transactionId"] == transaction_id
    assert sent["csChargingProfiles"]["chargingProfilePurpose"] == "TxProfile"


async def _installed(station: Station, profile_id: int, connector: int) -> dict[str, Any]:
    path = f"{station.path}/connectors/{connector}/charging-profiles?wait=20"
    sent, _ = await station.answered(
        path, {"charging_profile_id": profile_id}, "SetChargingProfile", ACCEPTED
    )
    return sent


async def test_tc_066_a_composite_schedule_stands_beside_our_own(station: Station) -> None:
    await _installed(station, await _stored_profile(station), 1)
    schedule = {
        "chargingRateUnit": "A",
        "duration": 300,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
    }
    answer = {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": at(),
        "chargingSchedule": schedule,
    }
    path = f"{station.path}/connectors/1/composite-schedule?duration=300&ask=true&wait=20"
    sent, shown = await station.answered(path, None, "GetCompositeSchedule", answer)
    assert sent == {"connectorId": 1, "duration": 300, "chargingRateUnit": "A"}
    assert shown["reported"]["status"] == "Accepted"
    assert [period["limit"] for period in shown["ours"]["chargingSchedulePeriod"]] == [6.0]
    assert shown["drift"]["agrees"] is True


@pytest.mark.parametrize("by", ["id", "filters"])
async def test_tc_067_a_profile_is_cleared(station: Station, by: str) -> None:
    profile_id = await _stored_profile(station)
    await _installed(station, profile_id, 1)
    asked: dict[str, Any] = (
        {"id": profile_id}
        if by == "id"
        else {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0}
    )
    sent, command = await station.commanded("ClearChargingProfile", asked, ACCEPTED)
    assert (sent, command["state"]) == (asked, "accepted")
    assert (await station.operator.get(f"{station.path}/charging-profiles"))["items"] == []
