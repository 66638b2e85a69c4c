"""The version is a value: an invented protocol runs next to OCPP 1.6."""

import json
from pathlib import Path

import pytest

from app.answers import Handler
from app.commands.records import CommandRequest
from app.commands.routes import issuing_router
from app.commands.rules import judge_request
from app.errors import InvalidInput, NotFound
from app.gateway.dispatch import Dispatcher
from app.ocpp import Dispatch, FrameBuffer, Link, Protocol, Resolve, Send
from app.settings import Settings
from app.web.routers import DescribedRoute
from tests.support.conversations import logged, new_conversation
from tests.support.protocol import OCPP16, invented_protocol

REPOSITORY = Path(__file__).parents[2]
FILES = Path(__file__).parents[1] / "vectors" / "invented_protocol"


def text(name: str) -> str:
    return (FILES / f"{name}.toml").read_text()


@pytest.fixture(scope="module")
def invented() -> Protocol:
    return invented_protocol()


def test_it_describes_itself(invented: Protocol) -> None:
    described = json.loads(invented.describe())
    assert [message["action"] for message in described["messages"]] == ["Greet", "Weigh", "Nudge"]
    assert (invented.version, OCPP16.version) == ("0.1", "1.6")


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
    assert OCPP16.check_frame('[2,"1","Heartbeat",{}]', "charge_point").violations == []


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


def test_a_conversation_speaks_it_and_logs_it(invented: Protocol) -> None:
    frames = FrameBuffer(10, 10_000, 10_000)
    conversation = new_conversation(protocol=invented, frames=frames)
    greeting, unknown = '[2,"1","Greet",{"name":"Ada"}]', '[2,"2","Heartbeat",{}]'
    [call] = conversation.text(greeting) or []
    assert isinstance(call, Dispatch)
    assert (call.action, call.payload) == ("Greet", {"name": "Ada"})
    assert conversation.reply("1", "{}") == '[3,"1",{}]'
    conversation.text(unknown)
    assert [text for _, text, _ in logged(frames)][:1] == [greeting]


def test_commands_are_judged_by_it(invented: Protocol) -> None:
    settings = Settings(credential_pepper="pepper")

    def judge(action: str, payload: str) -> dict[str, object]:
        return judge_request(CommandRequest("CP1", action, payload, "test"), invented, settings).payload

    assert judge("Nudge", '{"at":"2026-03-01T08:00:00Z"}') == {"at": "2026-03-01T08:00:00Z"}
    with pytest.raises(InvalidInput) as refused:
        judge("Nudge", "{}")
    assert [(found.code, found.pointer) for found in refused.value.violations] == [("missing", "/at")]
    with pytest.raises(NotFound, match=r"There is no OCPP 0\.1 command 'Reset'\."):
        judge("Reset", '{"type":"Soft"}')


def test_the_documentation_shows_its_commands(invented: Protocol) -> None:
    [route] = issuing_router(invented).routes
    assert isinstance(route, DescribedRoute)
    actions = [path.rpartition("/")[2] for path in route.operations()]
    assert actions == ["Weigh", "Nudge"]
    assert {"ocpp01_NudgeRequest", "ocpp01_WeighRequest"} <= route.schemas().keys()


def test_its_actions_need_handlers(invented: Protocol) -> None:
    answers: dict[str, Handler] = {action: lambda connection, request: {} for action in ("Greet", "Weigh")}
    Dispatcher(invented, answers, {})
    with pytest.raises(RuntimeError, match=r"no handler, or with two: Greet, Weigh$"):
        Dispatcher(invented, {}, {})


def test_each_program_makes_its_protocol_once() -> None:
    """The server and the simulator each make one; everything else is given it."""
    found = {
        str(path.relative_to(REPOSITORY)): count
        for path in (*(REPOSITORY / "app").rglob("*.py"), *(REPOSITORY / "core_rs").glob("*/src/**/*.rs"))
        if (count := path.read_text().count("v16()"))
    }
    assert found == {
        "app/main.py": 1,
        "app/simulator/fleet.py": 1,
        # Where it is defined, and where Python gets it.
        "core_rs/ocpp/src/protocol/mod.rs": 1,
        "core_rs/python/src/protocol.rs": 1,
    }


def test_a_definition_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="the error code NotImplemented is missing"):
        Protocol.load("0.1", [text("core")], types=text("types"))
    with pytest.raises(ValueError, match=r"Greet\.request\.name has the unknown type Name"):
        Protocol.load("0.1", [text("core")], errors=text("errors"))
