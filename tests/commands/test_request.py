"""What a developer asks for, before anything is recorded."""

import pytest

from app.commands.request import REDACTED, CommandRequest, judge_request
from app.errors import InvalidInput, NotFound
from app.settings import Settings

SETTINGS = Settings(credential_pepper="pepper", call_timeout_s=30.0, command_timeout_limit_s=600.0)
KEY = "00112233445566778899aabbccddeeff00112233"


def judge(action: str, payload: str, timeout_s: float | None = None, identity: str = "cp") -> CommandRequest:
    return judge_request(identity, action, payload, timeout_s, SETTINGS)


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
    assert request.new_key == bytes.fromhex(KEY)
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
