"""A virtual charge point answers each command, and acts on it afterwards."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.simulator import commands
from app.simulator.charge_point import VirtualChargePoint
from app.simulator.commands import ActionNotSupported
from app.simulator.connector import VirtualConnector
from app.simulator.outbox import Request
from app.simulator.persona import make_fleet

Json = dict[str, Any]
ORIGIN = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)


def answer(charge_point: VirtualChargePoint, action: str, payload: Json) -> Json:
    """Return the answer to a command, which must have one."""
    found = commands.answer(charge_point, action, payload)
    assert found is not None
    return found


def booted() -> VirtualChargePoint:
    """A charge point with two connectors, accepted and in the middle of a quiet moment."""
    persona = next(row for row in make_fleet(20, "commands") if row.connectors == 2)
    charge_point = VirtualChargePoint(persona, ORIGIN, goes_offline=False)
    charge_point.connected()
    sent(charge_point)
    return charge_point


def sent(charge_point: VirtualChargePoint, until_s: float | None = None) -> list[Request]:
    """Answer everything up to a virtual second, and return what was sent."""
    rows: list[Request] = []
    while True:
        while (request := charge_point.take_request()) is not None:
            rows.append(request)
            charge_point.answered(request, _answer(request, len(rows)))
        next_s = charge_point.next_s
        if until_s is None or next_s is None or next_s > until_s:
            return rows
        charge_point.advance(next_s)


def _answer(request: Request, number: int) -> Json:
    match request.action:
        case "BootNotification":
            return {"status": "Accepted", "interval": 300}
        case "StartTransaction":
            return {"transactionId": 4711, "idTagInfo": {"status": "Accepted"}}
        case "Authorize":
            return {"idTagInfo": {"status": "Accepted"}}
        case _:
            return {}


def charging() -> tuple[VirtualChargePoint, VirtualConnector]:
    charge_point = booted()
    reply = answer(charge_point, "RemoteStartTransaction", {"connectorId": 1, "idTag": "REMOTE"})
    assert reply == {"status": "Accepted"}
    sent(charge_point, charge_point.agenda.now_s + 5)
    connector = charge_point.connectors[0]
    assert status(connector) == "Charging"
    return charge_point, connector


def status(connector: VirtualConnector) -> str:
    return connector.status


def wants_connection(charge_point: VirtualChargePoint) -> bool:
    return charge_point.wants_connection


def profile(purpose: str = "TxDefaultProfile", limit: float = 3000.0, unit: str = "W", **extra: Any) -> Json:
    schedule = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
        **extra,
    }


def test_remote_start_leads_to_a_transaction_with_its_tag() -> None:
    _, connector = charging()
    assert connector.transaction is not None
    assert connector.transaction.id_tag == "REMOTE"
    assert connector.transaction.transaction_id == 4711


def test_remote_start_on_an_occupied_connector_is_rejected() -> None:
    charge_point, _ = charging()
    payload = {"connectorId": 1, "idTag": "OTHER"}
    assert answer(charge_point, "RemoteStartTransaction", payload) == {"status": "Rejected"}


def test_remote_start_without_a_connector_takes_a_free_one() -> None:
    charge_point, _ = charging()
    assert answer(charge_point, "RemoteStartTransaction", {"idTag": "OTHER"}) == {"status": "Accepted"}
    sent(charge_point, charge_point.agenda.now_s + 5)
    assert charge_point.connectors[1].status == "Charging"


def test_remote_start_asks_first_when_the_key_says_so() -> None:
    charge_point = booted()
    charge_point.configuration.change("AuthorizeRemoteTxRequests", "true")
    answer(charge_point, "RemoteStartTransaction", {"connectorId": 1, "idTag": "REMOTE"})
    actions = [row.action for row in sent(charge_point, charge_point.agenda.now_s + 5)]
    assert actions.index("Authorize") < actions.index("StartTransaction")


def test_remote_stop_ends_the_transaction_it_names() -> None:
    charge_point, _ = charging()
    assert answer(charge_point, "RemoteStopTransaction", {"transactionId": 4711}) == {"status": "Accepted"}
    rows = sent(charge_point, charge_point.agenda.now_s + 2)
    stop = next(row for row in rows if row.action == "StopTransaction")
    assert stop.payload["reason"] == "Remote"
    assert stop.payload_to_send()["transactionId"] == 4711


def test_remote_stop_of_an_unknown_transaction_is_rejected() -> None:
    charge_point, _ = charging()
    assert answer(charge_point, "RemoteStopTransaction", {"transactionId": 1}) == {"status": "Rejected"}


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        pytest.param("HeartbeatInterval", "60", "Accepted", id="known"),
        pytest.param("HeartbeatInterval", "soon", "Rejected", id="not a number"),
        pytest.param("LocalPreAuthorize", "TRUE", "Accepted", id="boolean in capitals"),
        pytest.param("NumberOfConnectors", "9", "Rejected", id="read only"),
        pytest.param("Colour", "blue", "NotSupported", id="unknown"),
        pytest.param("AuthorizationKey", "00" * 20, "Accepted", id="key of 20 bytes"),
        pytest.param("AuthorizationKey", "00" * 15, "Rejected", id="key too short"),
        pytest.param("AuthorizationKey", "xy" * 20, "Rejected", id="key not hexadecimal"),
        pytest.param("MeterValuesSampledData", "SoC,Voltage", "Accepted", id="measurands"),
        pytest.param("MeterValuesSampledData", "SoC,Smell", "Rejected", id="unknown measurand"),
    ],
)
def test_change_configuration_is_answered_by_its_value(key: str, value: str, status: str) -> None:
    assert answer(booted(), "ChangeConfiguration", {"key": key, "value": value}) == {"status": status}


def test_a_new_authorization_key_is_handed_over_and_the_socket_reopened() -> None:
    charge_point = booted()
    answer(charge_point, "ChangeConfiguration", {"key": "AuthorizationKey", "value": "ab" * 20})
    assert charge_point.new_credential == "ab" * 20
    charge_point.advance(charge_point.agenda.now_s + 1.5)
    assert wants_connection(charge_point) is False
    charge_point.advance(charge_point.agenda.now_s + 2.0)
    assert wants_connection(charge_point) is True


def test_get_configuration_tells_known_and_unknown_keys_and_hides_the_secret() -> None:
    charge_point = booted()
    reply = answer(
        charge_point, "GetConfiguration", {"key": ["NumberOfConnectors", "Colour", "AuthorizationKey"]}
    )
    assert reply == {
        "configurationKey": [
            {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
            {"key": "AuthorizationKey", "readonly": False},
        ],
        "unknownKey": ["Colour"],
    }
    assert len(answer(charge_point, "GetConfiguration", {})["configurationKey"]) > 25


def test_a_profile_limits_the_power() -> None:
    charge_point, connector = charging()
    sent(charge_point, charge_point.agenda.now_s + 60)
    before_w = connector.meter.power_w
    payload = {"connectorId": 1, "csChargingProfiles": profile("TxProfile", 5000.0)}
    assert answer(charge_point, "SetChargingProfile", payload) == {"status": "Accepted"}
    sent(charge_point, charge_point.agenda.now_s + 60)
    assert before_w > 5000.0
    assert connector.meter.power_w == 5000.0


def test_a_limit_below_six_ampere_suspends_and_clearing_it_resumes() -> None:
    charge_point, connector = charging()
    payload = {"connectorId": 0, "csChargingProfiles": profile("ChargePointMaxProfile", 1.0, "A")}
    assert status(connector) == "Charging"
    answer(charge_point, "SetChargingProfile", payload)
    assert status(connector) == "SuspendedEVSE"
    sent(charge_point, charge_point.agenda.now_s + 60)
    assert connector.meter.power_w == 0.0
    assert answer(charge_point, "ClearChargingProfile", {"id": 1}) == {"status": "Accepted"}
    assert status(connector) == "Charging"
    assert answer(charge_point, "ClearChargingProfile", {"id": 1}) == {"status": "Unknown"}


@pytest.mark.parametrize(
    ("connector_id", "row"),
    [
        pytest.param(2, profile("TxProfile"), id="no transaction on the connector"),
        pytest.param(1, profile("TxProfile", transactionId=1), id="another transaction"),
        pytest.param(1, profile("ChargePointMaxProfile"), id="charge point limit on a connector"),
        pytest.param(3, profile(), id="unknown connector"),
        pytest.param(1, profile(stackLevel=11), id="stack level too high"),
    ],
)
def test_a_profile_that_does_not_fit_is_rejected(connector_id: int, row: Json) -> None:
    charge_point, _ = charging()
    payload = {"connectorId": connector_id, "csChargingProfiles": row}
    assert answer(charge_point, "SetChargingProfile", payload) == {"status": "Rejected"}


def test_the_composite_schedule_follows_daily_profiles() -> None:
    charge_point, _ = charging()
    daily = profile(chargingProfileKind="Recurring", recurrencyKind="Daily")
    daily["chargingSchedule"] = {
        "startSchedule": "2026-02-01T00:00:00Z",
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 5000.0},
            {"startPeriod": 25_200, "limit": 4000.0},
        ],
    }
    answer(charge_point, "SetChargingProfile", {"connectorId": 0, "csChargingProfiles": daily})
    reply = answer(charge_point, "GetCompositeSchedule", {"connectorId": 1, "duration": 86_400})
    periods = reply["chargingSchedule"]["chargingSchedulePeriod"]
    now_s = charge_point.agenda.now_s
    assert [row["limit"] for row in periods] == [5000.0, 4000.0, 5000.0]
    assert periods[1]["startPeriod"] == pytest.approx(3600 - now_s, abs=1)
    assert periods[2]["startPeriod"] == pytest.approx(64_800 - now_s, abs=1)


def test_a_default_of_the_connector_stands_for_its_level_only() -> None:
    charge_point, _ = charging()
    everywhere, here = profile(limit=2000.0, stackLevel=2), profile(limit=1000.0, stackLevel=1)
    everywhere["chargingProfileId"], here["chargingProfileId"] = 71, 72
    for connector_id, row in ((0, everywhere), (1, here)):
        payload = {"connectorId": connector_id, "csChargingProfiles": row}
        assert answer(charge_point, "SetChargingProfile", payload) == {"status": "Accepted"}
    reply = answer(charge_point, "GetCompositeSchedule", {"connectorId": 1, "duration": 60})
    assert reply["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 2000.0}]


def test_the_composite_schedule_of_the_charge_point_adds_its_connectors_up() -> None:
    charge_point, _ = charging()
    payload = {"connectorId": 0, "csChargingProfiles": profile(limit=1000.0)}
    assert answer(charge_point, "SetChargingProfile", payload) == {"status": "Accepted"}
    reply = answer(charge_point, "GetCompositeSchedule", {"connectorId": 0, "duration": 60})
    total_w = 1000.0 * len(charge_point.connectors)
    assert reply["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": total_w}]


@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
def test_a_reset_ends_the_transaction_and_boots_again(kind: str, reason: str) -> None:
    charge_point, _ = charging()
    assert answer(charge_point, "Reset", {"type": kind}) == {"status": "Accepted"}
    before = sent(charge_point, charge_point.agenda.now_s + 6)
    assert wants_connection(charge_point) is False
    charge_point.disconnected()
    charge_point.advance(charge_point.agenda.now_s + 16)
    assert wants_connection(charge_point) is True
    charge_point.connected()
    after = sent(charge_point)
    assert after[0].action == "BootNotification"
    stops = [row for row in before + after if row.action == "StopTransaction"]
    assert [row.payload["reason"] for row in stops] == [reason]


def test_unlock_stops_the_transaction() -> None:
    charge_point, _ = charging()
    assert answer(charge_point, "UnlockConnector", {"connectorId": 1}) == {"status": "Unlocked"}
    assert answer(charge_point, "UnlockConnector", {"connectorId": 7}) == {"status": "NotSupported"}
    rows = sent(charge_point, charge_point.agenda.now_s + 2)
    assert [row.payload["reason"] for row in rows if row.action == "StopTransaction"] == ["UnlockCommand"]


@pytest.mark.parametrize(
    ("payload", "status", "actions"),
    [
        ({"requestedMessage": "Heartbeat"}, "Accepted", ["Heartbeat"]),
        ({"requestedMessage": "StatusNotification"}, "Accepted", ["StatusNotification"] * 3),
        ({"requestedMessage": "StatusNotification", "connectorId": 2}, "Accepted", ["StatusNotification"]),
        ({"requestedMessage": "StatusNotification", "connectorId": 0}, "Accepted", ["StatusNotification"]),
        ({"requestedMessage": "MeterValues", "connectorId": 1}, "Accepted", ["MeterValues"]),
        ({"requestedMessage": "BootNotification"}, "Accepted", ["BootNotification"]),
        ({"requestedMessage": "FirmwareStatusNotification"}, "Accepted", ["FirmwareStatusNotification"]),
        ({"requestedMessage": "MeterValues", "connectorId": 5}, "Rejected", []),
    ],
)
def test_trigger_message_sends_what_it_names(payload: Json, status: str, actions: list[str]) -> None:
    charge_point = booted()
    assert answer(charge_point, "TriggerMessage", payload) == {"status": status}
    first = [row.action for row in sent(charge_point)]
    assert first[: len(actions)] == actions


def test_availability_is_scheduled_while_charging_and_then_kept() -> None:
    charge_point, connector = charging()
    payload = {"connectorId": 1, "type": "Inoperative"}
    assert answer(charge_point, "ChangeAvailability", payload) == {"status": "Scheduled"}
    answer(charge_point, "RemoteStopTransaction", {"transactionId": 4711})
    sent(charge_point, charge_point.agenda.now_s + 60)
    assert status(connector) == "Unavailable"
    payload = {"connectorId": 0, "type": "Operative"}
    assert answer(charge_point, "ChangeAvailability", payload) == {"status": "Accepted"}
    assert status(connector) == "Available"


def test_a_reservation_admits_only_its_tag_and_is_used_by_the_start() -> None:
    charge_point = booted()
    reservation = {
        "connectorId": 1,
        "reservationId": 9,
        "idTag": "MINE",
        "expiryDate": "2026-03-01T20:00:00Z",
    }
    assert answer(charge_point, "ReserveNow", reservation) == {"status": "Accepted"}
    other = {"connectorId": 1, "idTag": "OTHER"}
    assert answer(charge_point, "RemoteStartTransaction", other) == {"status": "Rejected"}
    mine = {"connectorId": 1, "idTag": "mine"}
    assert answer(charge_point, "RemoteStartTransaction", mine) == {"status": "Accepted"}
    rows = sent(charge_point, charge_point.agenda.now_s + 5)
    assert [row.payload["reservationId"] for row in rows if row.action == "StartTransaction"] == [9]
    assert answer(charge_point, "CancelReservation", {"reservationId": 9}) == {"status": "Rejected"}


def test_the_local_list_takes_full_and_differential_updates() -> None:
    charge_point = booted()
    accepted, blocked = {"status": "Accepted"}, {"status": "Blocked"}
    full = {
        "listVersion": 3,
        "updateType": "Full",
        "localAuthorizationList": [
            {"idTag": "A", "idTagInfo": accepted},
            {"idTag": "B", "idTagInfo": blocked},
        ],
    }
    assert answer(charge_point, "SendLocalList", full) == {"status": "Accepted"}
    change = {"listVersion": 4, "updateType": "Differential", "localAuthorizationList": [{"idTag": "a"}]}
    assert answer(charge_point, "SendLocalList", change) == {"status": "Accepted"}
    assert answer(charge_point, "SendLocalList", change) == {"status": "VersionMismatch"}
    assert answer(charge_point, "GetLocalListVersion", {}) == {"listVersion": 4}
    assert charge_point.local_list.entries == {"b": blocked}


def test_what_the_charge_point_lacks_is_not_supported() -> None:
    with pytest.raises(ActionNotSupported):
        answer(booted(), "Unknown", {})
    assert answer(booted(), "DataTransfer", {"vendorId": "x"}) == {"status": "UnknownVendorId"}
    assert answer(booted(), "ClearCache", {}) == {"status": "Accepted"}


def test_the_energy_of_a_running_transaction_counts() -> None:
    charge_point, connector = charging()
    sent(charge_point, charge_point.agenda.now_s + 1800)
    running_wh = charge_point.energy_wh
    assert connector.transaction is not None
    assert running_wh == connector.energy_wh > 0
    assert connector.stop("Local")
    assert connector.energy_wh == 0
    assert charge_point.energy_wh >= running_wh
