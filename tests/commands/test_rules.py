"""The states of a command, what a caller may ask for, and how a CALL ended."""

import json
from typing import Any, get_args

import pytest

from app.charge_points.credentials import Credentials
from app.charge_points.handlers.authorization_key import AuthorizationKeyEffect
from app.commands.records import CommandRequest, CommandState
from app.commands.rules import (
    OPEN_COMMAND_STATES,
    REDACTED,
    TRANSITIONS,
    UNREADABLE_ANSWER,
    Actor,
    JudgedRequest,
    judge_request,
    outcome_of,
    sources,
    without_secrets,
)
from app.errors import InvalidInput, NotFound
from app.ocpp import Link, Resolve
from app.settings import Settings
from tests.support.protocol import OCPP16


def resolve(action: str, payload: str, answer: Any) -> Resolve:
    link = Link(OCPP16, "central_system")
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
    link = Link(OCPP16, "central_system")
    link.call("1", "ClearCache", "{}", 0.0, 30.0)
    link.call("2", "ClearCache", "{}", 0.0, 30.0)
    link.call("3", "ClearCache", "{}", 0.0, 30.0)
    timed_out = outcome_of(only_resolve(link.expire(31.0)))
    lost, unsent = (outcome_of(effect) for effect in link.disconnect() if isinstance(effect, Resolve))
    assert [timed_out.state, lost.state, unsent.state] == ["timed_out", "connection_lost", "offline"]
    assert not any(outcome.answered for outcome in (timed_out, lost, unsent))


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("Reset", '[3,"1",{}]'),
        ("Reset", '[3,"1",{"status":null}]'),
        ("Reset", '[3,"1",{"status":"OK"}]'),
        ("Reset", '[3,"1",{"status":""}]'),
        ("Reset", '[3,"1",{"status":1}]'),
        ("Reset", '[3,"1",[]]'),
        ("Reset", '[3,"1","Accepted"]'),
        ("Reset", '[3,"1"'),
        ("Reset", '[4,"1"]'),
        ("UnlockConnector", '[3,"1",{"status":"Accepted"}]'),
        ("GetCompositeSchedule", '[3,"1",{"status":"Accepted","chargingSchedule":3}]'),
    ],
)
def test_an_answer_that_the_standard_does_not_have_is_not_a_refusal(action: str, answer: str) -> None:
    payload = {
        "Reset": '{"type":"Soft"}',
        "UnlockConnector": '{"connectorId":1}',
        "GetCompositeSchedule": '{"connectorId":1,"duration":60}',
    }[action]
    link = Link(OCPP16, "central_system")
    link.call("1", action, payload, 0.0, 30.0)
    outcome = outcome_of(only_resolve(link.receive(answer, 1.0)))
    assert outcome.error is not None
    assert (outcome.state, outcome.error["code"]) == ("call_error", UNREADABLE_ANSWER)
    assert outcome.error["description"]
    assert outcome.error.get("text", answer) == answer
    assert outcome.is_in_doubt
    assert outcome.answered


@pytest.mark.parametrize("status", ["Accepted", "accepted", " Accepted"])
def test_an_accepted_answer_in_another_spelling_is_accepted(status: str) -> None:
    outcome = outcome_of(resolve("Reset", '{"type":"Soft"}', [3, "1", {"status": status}]))
    assert (outcome.state, outcome.is_in_doubt) == ("accepted", False)


def test_a_call_error_is_not_in_doubt() -> None:
    assert not outcome_of(resolve("ClearCache", "{}", [4, "1", "InternalError", "", {}])).is_in_doubt


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ChangeConfiguration", '{"key":"StationPassword","value":"hunter2"}'),
        ("ChangeConfiguration", '{"key":" authorizationKey","value":"hunter2hunter2hunter"}'),
        ("DataTransfer", '{"vendorId":"v","data":"{\\"G_CardPin\\":\\"hunter2\\"}"}'),
        ("GetDiagnostics", '{"location":"ftp://user:hunter2@host/logs"}'),
    ],
)
def test_a_secret_of_a_vendor_goes_out_and_is_not_stored(action: str, payload: str) -> None:
    request = judge(action, payload)
    assert "hunter2" not in repr(request)
    assert "hunter2" in request.payload_text


@pytest.mark.parametrize(
    "key", ["AuthorizationKey", "authorizationKEY", "AuthorizationKey ", "StationPassword", "G_CardPin"]
)
def test_a_reported_credential_is_not_kept(key: str) -> None:
    reported: dict[str, Any] = {
        "configurationKey": [{"key": key, "readonly": False, "value": "secret"}, {"key": "k"}]
    }
    kept = without_secrets(reported)
    assert kept["configurationKey"] == [{"key": key, "readonly": False, "value": REDACTED}, {"key": "k"}]
    assert reported["configurationKey"][0]["value"] == "secret"


SETTINGS = Settings(credential_pepper="pepper", call_timeout_s=30.0, command_timeout_limit_s=600.0)
KEY = "00112233445566778899aabbccddeeff00112233"
KEYS = AuthorizationKeyEffect(Credentials("pepper"))


def judge(action: str, payload: str, timeout_s: float | None = None, identity: str = "cp") -> JudgedRequest:
    judged = judge_request(CommandRequest(identity, action, payload, "test", timeout_s), OCPP16, SETTINGS)
    if judged.new_key is not None:
        KEYS.key_of(judged.new_key)
    return judged


@pytest.mark.parametrize(
    ("action", "payload", "pointer", "code"),
    [
        ("Reset", "{}", "/type", "missing"),
        ("Reset", '{"type":"Later"}', "/type", "not_in_enumeration"),
        ("ChangeConfiguration", '{"key":"AuthorizationKey","value":"short"}', "/value", "authorization_key"),
        ("ChangeConfiguration", '{"key":"authorizationkey","value":"short"}', "/value", "authorization_key"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(action: str, payload: str, pointer: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        judge(action, payload)
    assert [(v.pointer, v.code) for v in refused.value.violations] == [(pointer, code)]


@pytest.mark.parametrize("payload", ["{", "[]", '"text"', "1", '{"type":"Soft","type":"Hard"}'])
def test_what_is_no_object_is_refused(payload: str) -> None:
    with pytest.raises(InvalidInput):
        judge("Reset", payload)


@pytest.mark.parametrize("action", ["BootNotification", "reset", "Nonsense", ""])
def test_only_actions_of_a_central_system_exist(action: str) -> None:
    with pytest.raises(NotFound):
        judge(action, "{}")


@pytest.mark.parametrize(
    ("timeout_s", "fits"),
    [(None, True), (1, True), (600, True), (0.99, False), (600.1, False), (-1, False), (float("nan"), False)],
)
def test_a_timeout_has_bounds(timeout_s: float | None, fits: bool) -> None:
    if fits:
        assert judge("ClearCache", "", timeout_s).timeout_s == (timeout_s or 30.0)
        return
    with pytest.raises(InvalidInput) as refused:
        judge("ClearCache", "", timeout_s)
    assert refused.value.field == "timeout_s"


@pytest.mark.parametrize("key", ["AuthorizationKey", "AUTHORIZATIONKEY"])
def test_a_credential_goes_out_and_is_not_stored(key: str) -> None:
    request = judge("ChangeConfiguration", f'{{"key":"{key}","value":"{KEY}"}}')
    assert request.payload == {"key": key, "value": REDACTED}
    assert KEY in request.payload_text
    assert request.new_key is not None
    assert KEYS.key_of(request.new_key) == bytes.fromhex(KEY)
    assert KEY not in repr(request)


def test_other_values_are_stored_as_they_are() -> None:
    request = judge("ChangeConfiguration", '{"key":"MeterValueSampleInterval","value":"60"}')
    assert request.payload == {"key": "MeterValueSampleInterval", "value": "60"}
    assert request.new_key is None


def test_equal_requests_have_equal_digests_and_others_do_not() -> None:
    reference = judge("Reset", '{"type":"Soft"}').digest
    assert judge("Reset", ' {"type":"Soft"} ').digest == reference
    others = [
        judge("Reset", '{"type":"Hard"}'),
        judge("Reset", '{"type":"Soft"}', 31),
        judge("Reset", '{"type":"Soft"}', identity="other"),
    ]
    assert len({reference, *(other.digest for other in others)}) == 4


def test_every_state_is_reached_and_only_open_ones_are_left() -> None:
    states = set(get_args(CommandState))
    assert set().union(*TRANSITIONS.values()) == states
    assert OPEN_COMMAND_STATES == ("waiting", "queued", "sent")
    assert all(actors for targets in TRANSITIONS.values() for actors in targets.values())


@pytest.mark.parametrize(
    ("target", "by", "expected"),
    [
        ("sent", "owner", ("queued",)),
        ("accepted", "owner", ("queued", "sent")),
        ("cancelled", "issuer", ("queued", "sent")),
        ("connection_lost", "reaper", ("queued", "sent")),
        ("expired", "reaper", ("queued",)),
        ("timed_out", "reaper", ("sent",)),
    ],
)
def test_an_actor_leaves_only_the_states_of_the_table(
    target: CommandState, by: Actor, expected: tuple[CommandState, ...]
) -> None:
    assert sources(target, by) == expected


@pytest.mark.parametrize(("target", "by"), [("queued", "owner"), ("accepted", "issuer"), ("sent", "reaper")])
def test_no_actor_causes_a_state_that_the_table_does_not_name(target: CommandState, by: Actor) -> None:
    with pytest.raises(ValueError, match="may never set the state"):
        sources(target, by)


@pytest.mark.parametrize(
    ("action", "payload", "pointer"),
    [
        ("RemoteStartTransaction", {"idTag": "DE*8AA*CA2B3C4D5*L0123"}, "/idTag"),
        ("ReserveNow", {"connectorId": 1, "expiryDate": "2026-01-01T00:00:00Z", "idTag": "E" * 36}, "/idTag"),
        (
            "SendLocalList",
            {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [{"idTag": "E" * 21}]},
            "/localAuthorizationList/0/idTag",
        ),
    ],
)
def test_a_command_that_cannot_carry_a_long_tag_is_refused(
    action: str, payload: dict[str, Any], pointer: str
) -> None:
    payload = {"reservationId": 1, **payload} if action == "ReserveNow" else payload
    with pytest.raises(InvalidInput) as refused:
        judge(action, json.dumps(payload))
    assert [(violation.pointer, violation.code) for violation in refused.value.violations] == [
        (pointer, "too_long")
    ]
