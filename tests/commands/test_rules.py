"""How a CALL of ours ended, from what the core says of it."""

import json
from typing import Any

import pytest

from app.commands.request import REDACTED
from app.commands.rules import outcome_of, without_secrets
from app.ocpp import Link, Resolve, ocpp16


def resolve(action: str, payload: str, answer: Any) -> Resolve:
    link = Link(ocpp16(), "central_system")
    link.call("1", action, payload, 0.0, 30.0)
    return only_resolve(link.receive(json.dumps(answer), 1.0))


def only_resolve(effects: list[Any]) -> Resolve:
    (found,) = [effect for effect in effects if isinstance(effect, Resolve)]
    return found


@pytest.mark.parametrize(
    ("action", "payload", "result", "state"),
    [
        ("Reset", '{"type":"Soft"}', {"status": "Accepted"}, "accepted"),
        ("Reset", '{"type":"Soft"}', {"status": "Rejected"}, "rejected"),
        ("ChangeAvailability", '{"connectorId":1,"type":"Inoperative"}', {"status": "Scheduled"}, "accepted"),
        ("ChangeConfiguration", '{"key":"k","value":"v"}', {"status": "RebootRequired"}, "accepted"),
        ("ChangeConfiguration", '{"key":"k","value":"v"}', {"status": "NotSupported"}, "rejected"),
        ("UnlockConnector", '{"connectorId":1}', {"status": "Unlocked"}, "accepted"),
        ("UnlockConnector", '{"connectorId":1}', {"status": "UnlockFailed"}, "rejected"),
        ("ClearChargingProfile", "{}", {"status": "Unknown"}, "rejected"),
        ("GetLocalListVersion", "{}", {"listVersion": 3}, "accepted"),
        ("Reset", '{"type":"Soft"}', {}, "call_error"),
    ],
)
def test_the_status_of_the_response_decides(
    action: str, payload: str, result: dict[str, Any], state: str
) -> None:
    outcome = outcome_of(resolve(action, payload, [3, "1", result]))
    assert (outcome.state, outcome.answered) == (state, True)


def test_a_call_error_keeps_code_and_description() -> None:
    outcome = outcome_of(resolve("ClearCache", "{}", [4, "1", "InternalError", "no memory", {}]))
    assert outcome.state == "call_error"
    assert outcome.error == {"code": "InternalError", "description": "no memory"}


def test_what_was_not_answered_is_told_apart() -> None:
    link = Link(ocpp16(), "central_system")
    link.call("1", "ClearCache", "{}", 0.0, 30.0)
    link.call("2", "ClearCache", "{}", 0.0, 30.0)
    link.call("3", "ClearCache", "{}", 0.0, 30.0)
    timed_out = outcome_of(only_resolve(link.expire(31.0)))
    lost, unsent = (outcome_of(effect) for effect in link.disconnect() if isinstance(effect, Resolve))
    assert [timed_out.state, lost.state, unsent.state] == ["timed_out", "connection_lost", "offline"]
    assert not any(outcome.answered for outcome in (timed_out, lost, unsent))


@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationKEY"])
def test_a_reported_credential_is_not_kept(key: str) -> None:
    reported: dict[str, Any] = {
        "configurationKey": [{"key": key, "readonly": False, "value": "secret"}, {"key": "k"}]
    }
    kept = without_secrets(reported)
    assert kept["configurationKey"] == [{"key": key, "readonly": False, "value": REDACTED}, {"key": "k"}]
    assert reported["configurationKey"][0]["value"] == "secret"
