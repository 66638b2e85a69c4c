"""Cases of the core profile in which the charge point speaks first (OCPP 1.6 chapter 4)."""

from typing import Any

import pytest

from tests.support.certification import BOOT, Station, at


async def test_tc_001_a_cold_boot_is_accepted_and_everything_after_it_is_answered(
    new_station: Station,
) -> None:
    conf = await new_station.boot()
    assert conf["status"] == "Accepted"
    assert conf["interval"] > 0
    assert (await new_station.call("Heartbeat", {}))["currentTime"].endswith("Z")
    shown = await new_station.operator.get(new_station.path)
    assert (shown["registration_status"], shown["connected"]) == ("Accepted", True)
    assert (shown["vendor"], shown["model"]) == (BOOT["chargePointVendor"], BOOT["chargePointModel"])
    connectors = await new_station.connectors()
    assert {number: item["status"] for number, item in connectors.items()} == {
        0: "Available",
        1: "Available",
        2: "Available",
    }


async def _charge(station: Station) -> dict[str, Any]:
    """Run the part of a session that does not depend on its beginning, and return its transaction."""
    started = await station.start()
    assert started["idTagInfo"]["status"] == "Accepted"
    transaction_id = started["transactionId"]
    await station.status(1, "Charging")
    samples = {"timestamp": at(), "sampledValue": [{"value": "500", "unit": "Wh"}]}
    meter = {"connectorId": 1, "transactionId": transaction_id, "meterValue": [samples]}
    assert await station.call("MeterValues", meter) == {}
    await station.status(1, "Finishing")
    assert (await station.stop(transaction_id, idTag="TAG"))["idTagInfo"]["status"] == "Accepted"
    await station.status(1, "Available")
    (transaction,) = await station.transactions()
    values = await station.operator.get(f"/transactions/{transaction_id}/meter-values")
    assert [value["sampled_values"] for value in values["items"]] == [[{"value": "500", "unit": "Wh"}]]
    assert transaction["id"] == transaction_id
    assert (transaction["id_tag"], transaction["connector_id"]) == ("TAG", 1)
    assert (transaction["meter_start_wh"], transaction["meter_stop_wh"]) == (100, 900)
    assert (transaction["energy_wh"], transaction["state"]) == (800, "stopped")
    return transaction


async def test_tc_003_charging_when_the_plug_comes_first(station: Station) -> None:
    await station.status(1, "Preparing")
    assert (await station.call("Authorize", {"idTag": "TAG"}))["idTagInfo"]["status"] == "Accepted"
    assert (await _charge(station))["stop_reason"] == "Local"


async def test_tc_004_1_charging_when_the_identification_comes_first(station: Station) -> None:
    assert (await station.call("Authorize", {"idTag": "TAG"}))["idTagInfo"]["status"] == "Accepted"
    await station.status(1, "Preparing")
    await _charge(station)


async def test_tc_004_2_a_connection_timeout_leaves_no_transaction(station: Station) -> None:
    assert (await station.call("Authorize", {"idTag": "TAG"}))["idTagInfo"]["status"] == "Accepted"
    await station.status(1, "Preparing")
    await station.status(1, "Available")
    assert await station.transactions() == []
    assert (await station.connectors())[1]["status"] == "Available"


@pytest.mark.parametrize("unlocks", [True, False])
async def test_tc_005_1_a_disconnect_on_the_side_of_the_vehicle_keeps_its_reason(
    station: Station, unlocks: bool
) -> None:
    transaction_id = (await station.start())["transactionId"]
    await station.status(1, "Charging")
    await station.status(1, "SuspendedEV")
    await station.stop(transaction_id, reason="EVDisconnected")
    await station.status(1, "Available" if unlocks else "Finishing")
    shown = await station.transaction(transaction_id)
    assert (shown["state"], shown["stop_reason"]) == ("stopped", "EVDisconnected")


async def test_tc_007_a_cached_tag_starts_without_authorize(station: Station) -> None:
    await station.status(1, "Preparing")
    assert (await _charge(station))["id_tag_info"]["status"] == "Accepted"


async def test_tc_023_1_an_unknown_tag_is_invalid(station: Station) -> None:
    await _refused(station, "UNKNOWN", "Invalid")


async def test_tc_023_2_an_expired_tag_is_expired(station: Station) -> None:
    await _refused(station, "EXPIRED", "Expired")


async def test_tc_023_3_a_blocked_tag_is_blocked(station: Station) -> None:
    await _refused(station, "BLOCKED", "Blocked")


async def _refused(station: Station, id_tag: str, status: str) -> None:
    assert (await station.call("Authorize", {"idTag": id_tag}))["idTagInfo"]["status"] == status
    assert await station.transactions() == []


async def test_tc_024_a_lock_failure_is_visible_with_its_time(station: Station) -> None:
    report = {
        "connectorId": 1,
        "status": "Faulted",
        "errorCode": "ConnectorLockFailure",
        "timestamp": "2026-05-04T08:00:00Z",
    }
    assert await station.call("StatusNotification", report) == {}
    shown = (await station.connectors())[1]
    assert (shown["status"], shown["error_code"]) == ("Faulted", "ConnectorLockFailure")
    assert shown["reported_at"] == "2026-05-04T08:00:00.000Z"
    assert await station.transactions() == []


async def test_tc_032_1_a_power_loss_stops_with_the_time_of_the_charge_point(station: Station) -> None:
    transaction_id = (await station.start(timestamp=at(-30)))["transactionId"]
    stopped = at(-10)
    await station.reconnect()
    await station.boot()
    await station.stop(transaction_id, reason="PowerLoss", timestamp=stopped)
    shown = await station.transaction(transaction_id)
    assert (shown["state"], shown["stop_reason"]) == ("stopped", "PowerLoss")
    assert shown["stopped_at"] == stopped.replace("Z", ".000Z")


async def test_a_transaction_may_go_on_after_a_power_loss(station: Station) -> None:
    transaction_id = (await station.start())["transactionId"]
    await station.reconnect()
    await station.status(1, "Charging")
    await station.stop(transaction_id, meterStop=1_500)
    assert (await station.transaction(transaction_id))["energy_wh"] == 1_400


async def test_tc_037_1_a_start_that_was_offline_keeps_its_time(station: Station) -> None:
    started, stopped = at(-240), at(-120)
    await station.reconnect()
    conf = await station.start(timestamp=started)
    assert conf["idTagInfo"]["status"] == "Accepted"
    await station.stop(conf["transactionId"], timestamp=stopped)
    shown = await station.transaction(conf["transactionId"])
    assert shown["started_at"] == started.replace("Z", ".000Z")
    assert shown["stopped_at"] == stopped.replace("Z", ".000Z")


async def test_tc_037_3_a_start_that_was_offline_with_an_invalid_tag_is_recorded(station: Station) -> None:
    await station.reconnect()
    conf = await station.start("UNKNOWN", timestamp=at(-240))
    assert conf["idTagInfo"]["status"] == "Invalid"
    assert conf["transactionId"] > 0
    await station.stop(conf["transactionId"], reason="DeAuthorized", timestamp=at(-239))
    assert (await station.transaction(conf["transactionId"]))["stop_reason"] == "DeAuthorized"


async def test_tc_039_a_whole_transaction_that_was_offline_is_recorded(station: Station) -> None:
    started, stopped = at(-300), at(-200)
    await station.reconnect()
    conf = await station.start(timestamp=started)
    samples = {"timestamp": at(-250), "sampledValue": [{"value": "400"}]}
    meter = {"connectorId": 1, "transactionId": conf["transactionId"], "meterValue": [samples]}
    assert await station.call("MeterValues", meter) == {}
    await station.stop(conf["transactionId"], timestamp=stopped, reason="Local")
    (shown,) = await station.transactions()
    assert (shown["energy_wh"], shown["state"]) == (800, "stopped")
    assert shown["started_at"] == started.replace("Z", ".000Z")
    assert shown["started_received_at"] > shown["stopped_at"]


async def test_a_boot_that_is_answered_pending_allows_configuration_and_nothing_else(
    new_station: Station,
) -> None:
    station = new_station
    await station.operator.patch(station.path, {"registration_status": "Pending"})
    assert (await station.call("BootNotification", BOOT))["status"] == "Pending"
    assert (await station.ask("Authorize", {"idTag": "TAG"}))[:3] == [4, "cp-2", "SecurityError"]
    for action, payload in (
        ("RemoteStartTransaction", {"idTag": "TAG"}),
        ("RemoteStopTransaction", {"transactionId": 1}),
    ):
        assert await station.operator.refusal(f"{station.path}/commands/{action}", payload) == 409
    payload = {"key": "MeterValueSampleInterval", "value": "60"}
    sent, command = await station.commanded("ChangeConfiguration", payload, {"status": "Accepted"})
    assert (sent, command["state"]) == (payload, "accepted")
    await station.operator.patch(station.path, {"registration_status": "Accepted"})
    assert (await station.boot())["status"] == "Accepted"


async def test_tc_064_data_transfer_of_an_unknown_vendor(station: Station) -> None:
    conf = await station.call("DataTransfer", {"vendorId": "com.nowhere", "data": "x"})
    assert conf == {"status": "UnknownVendorId"}
