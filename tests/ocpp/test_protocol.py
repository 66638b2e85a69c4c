"""The version is a value: an invented protocol runs next to OCPP 1.6."""

import json
from pathlib import Path

import pytest

from app.ocpp import Dispatch, Link, Protocol, Resolve, Send, ocpp16

FILES = Path(__file__).parents[1] / "vectors" / "invented_protocol"


def text(name: str) -> str:
    return (FILES / f"{name}.toml").read_text()


@pytest.fixture(scope="module")
def invented() -> Protocol:
    return Protocol.load("0.1", [text("core")], types=text("types"), errors=text("errors"))


def test_it_describes_itself(invented: Protocol) -> None:
    described = json.loads(invented.describe())
    assert [message["action"] for message in described["messages"]] == ["Greet", "Weigh", "Nudge"]
    assert (invented.version, ocpp16().version) == ("0.1", "1.6")


def test_its_json_schemas_are_its_own(invented: Protocol) -> None:
    schema = json.loads(invented.json_schema("Greet", "request"))
    assert (schema["$id"], schema["$defs"]["Mood"]["enum"]) == (
        "urn:ocpp:0.1:Greet:request",
        ["Glad", "Grumpy"],
    )
    with pytest.raises(KeyError, match=r"no such action in OCPP 0\.1: Heartbeat"):
        invented.json_schema("Heartbeat", "request")


def test_payloads_are_judged_by_it(invented: Protocol) -> None:
    assert invented.check_payload("Greet", "request", '{"name":"Ada"}').payload == {"name": "Ada"}
    [violation] = invented.check_call("charge_point", "Greet", '{"name":"Ada","mood":"Sad"}').violations
    assert (violation.pointer, violation.reason) == ("/mood", "not_in_enumeration")
    [violation] = invented.check_frame('[2,"1","Heartbeat",{}]', "charge_point").violations
    assert (violation.code, violation.detail) == ("Unheard", "no such action in OCPP 0.1")
    assert ocpp16().check_frame('[2,"1","Heartbeat",{}]', "charge_point").violations == []


def test_a_link_speaks_it_in_both_directions(invented: Protocol) -> None:
    link = Link(invented, "central_system")
    [call] = link.receive('[2,"1","Greet",{"name":"Ada","mood":"Glad"}]', 0.0)
    assert isinstance(call, Dispatch)
    assert (call.action, call.payload) == ("Greet", {"name": "Ada", "mood": "Glad"})
    [answer] = link.reply("1", "{}")
    assert isinstance(answer, Send)
    assert answer.text == '[3,"1",{}]'
    _, sent = link.call("7", "Nudge", '{"at":"2026-03-01T08:00:00Z"}', 0.0, 5.0)
    assert isinstance(sent, Send)
    [resolved] = link.receive('[3,"7",{"mood":"Grumpy"}]', 1.0)
    assert isinstance(resolved, Resolve)
    assert (resolved.outcome, resolved.payload) == ("result", {"mood": "Grumpy"})
    link.receive('[2,"2","Greet",{"name":"B"}]', 2.0)
    [refusal] = link.reply_error("2", "FormationViolation")
    assert isinstance(refusal, Send)
    assert refusal.text == '[4,"2","FormatViolation","",{}]'


def test_a_definition_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="the error code NotImplemented is missing"):
        Protocol.load("0.1", [text("core")], types=text("types"))
    with pytest.raises(ValueError, match=r"Greet\.request\.name has the unknown type Name"):
        Protocol.load("0.1", [text("core")], errors=text("errors"))
