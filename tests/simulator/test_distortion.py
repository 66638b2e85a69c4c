"""Each bad habit changes the text of frames, and nothing else."""

import json
from typing import Any

import pytest

from app.simulator.bad_habits import NO_BAD_HABITS, BadHabits
from app.simulator.distortion import distorted

Json = dict[str, Any]
METER: Json = {
    "connectorId": 1,
    "transactionId": 7,
    "meterValue": [
        {
            "timestamp": "2026-07-01T10:00:00.000Z",
            "sampledValue": [
                {"value": "4321", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
                {"value": "230", "measurand": "Voltage", "unit": "V"},
            ],
        }
    ],
}
STATUS: Json = {"connectorId": 0, "status": "Available", "errorCode": "NoError", "timestamp": "x"}


def sent(action: str, payload: Json, **habits: Any) -> str:
    return distorted(json.dumps([2, "id", action, payload]), BadHabits(**habits))


def payload_of(text: str) -> Any:
    return json.loads(text)[3]


def test_without_bad_habits_nothing_changes() -> None:
    text = json.dumps([2, "id", "MeterValues", METER])
    assert distorted(text, NO_BAD_HABITS) is text


@pytest.mark.parametrize(
    ("action", "payload", "habits", "part"),
    [
        ("MeterValues", METER, {"empty_transaction_id": True}, '"transactionId":,'),
        ("MeterValues", METER, {"stray_comma": True}, '"sampledValue":[,{'),
        ("MeterValues", METER, {"numbers_as_values": True}, '"value":4321.0,'),
        ("MeterValues", METER, {"energy_called_wh": True}, '"value":"4",'),
        ("MeterValues", METER, {"times_without_zone": "Europe/Berlin"}, '"2026-07-01T12:00:00.000"'),
        ("MeterValues", METER, {"meter_value_as_object": True}, '"meterValue":{'),
        ("MeterValues", METER, {"empty_sampled_values": True}, '"sampledValue":[]'),
        ("MeterValues", METER, {"frequency_unit": "Hz"}, '"unit":"Hz"'),
        ("MeterValues", METER, {"unknown_context": "CurrentMax"}, '"context":"CurrentMax"'),
        (
            "MeterValues",
            METER,
            {"meter_values_transaction_id": 2**63 - 1},
            '"transactionId":9223372036854775807',
        ),
        ("StatusNotification", STATUS, {"controller_error_code": "Error"}, '"errorCode":"Error"'),
        ("StatusNotification", STATUS, {"status_fields": {"info": "null"}}, '"info":"null"'),
        ("StopTransaction", {"transactionId": 7}, {"stop_transaction_id": "null"}, '"transactionId":null'),
        ("StopTransaction", {"transactionId": 7}, {"stop_transaction_id": "0"}, '"transactionId":0'),
        ("Authorize", {"idTag": "A"}, {"authorize_names_connector": True}, '"connectorId":1'),
        ("BootNotification", {"chargePointSerialNumber": "12"}, {"nul_in_boot": True}, '"12\0"'),
        ("BootNotification", {}, {"boot_fields": {"chargePointVendor": ""}}, '"chargePointVendor":""'),
    ],
)
def test_a_habit_shows_in_the_text(action: str, payload: Json, habits: Json, part: str) -> None:
    assert part in sent(action, payload, **habits)


def test_a_status_has_no_time() -> None:
    assert "timestamp" not in payload_of(sent("StatusNotification", STATUS, status_without_time=True))


def test_an_answer_about_the_configuration_is_cut_off() -> None:
    text = '[3,"id",{"configurationKey":[{"key":"A","readonly":true}]}]'
    habits = BadHabits(cut_off_configuration=True)
    assert distorted(text, habits) == '[3,"id",{"configurationKey":[]'
    assert distorted('[3,"id",{"status":"Accepted"}]', habits) == '[3,"id",{"status":"Accepted"}]'


def test_a_reading_without_a_transaction_keeps_having_none() -> None:
    idle = {name: value for name, value in METER.items() if name != "transactionId"}
    assert "transactionId" not in sent("MeterValues", idle, empty_transaction_id=True)
