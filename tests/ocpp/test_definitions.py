"""The examples of the definition may be sent as they are, rules across fields included."""

import json
from typing import Literal

import pytest

from app.ocpp import messages_of
from tests.support.protocol import MESSAGES, OCPP16

Side = Literal["central_system", "charge_point"]
SENDERS: dict[str, tuple[Side, ...]] = {
    "charge_point": ("charge_point",),
    "central_system": ("central_system",),
    "both": ("charge_point", "central_system"),
}


@pytest.mark.parametrize("action", MESSAGES)
def test_the_example_may_be_sent_by_whom_the_definition_names(action: str) -> None:
    message = MESSAGES[action]
    example = json.dumps(message["examples"]["request"])
    for sender in SENDERS[message["sender"]]:
        assert OCPP16.check_call(sender, action, example).violations == []


def test_the_records_of_a_transaction_are_billing_records() -> None:
    billing = {message["action"] for message in messages_of(OCPP16, "charge_point") if message["billing"]}
    assert billing == {"StartTransaction", "StopTransaction", "MeterValues"}
    assert not any(message["billing"] for message in messages_of(OCPP16, "central_system"))


def test_both_sides_may_send_a_data_transfer() -> None:
    charge_point, central_system = (
        {message["action"] for message in messages_of(OCPP16, sender)} for sender in SENDERS["both"]
    )
    assert charge_point & central_system == {"DataTransfer"}
    assert charge_point | central_system == MESSAGES.keys()


def test_a_rule_across_fields_is_kept_by_what_we_send() -> None:
    example = MESSAGES["SetChargingProfile"]["examples"]["request"]
    verdict = OCPP16.check_call(
        "central_system", "SetChargingProfile", json.dumps(example | {"connectorId": 1})
    )
    assert [(violation.reason, violation.pointer) for violation in verdict.violations] == [
        ("charge_point_max_on_connector_zero", "/connectorId")
    ]
