"""Our JSON Schemas of OCPP 2.0.1 and 2.1 say what the official ones say: fields, types, limits, enumerations.

The schemas come with the PyPI package `ocpp`; they are compared, not copied. Texts judge nothing.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import pytest

from app.ocpp import Protocol
from tests.support.protocol import DIRECTIONS, OCPP21, OCPP201, Direction

JUDGING = ("type", "format", "enum", "maxLength", "minItems", "maxItems", "minimum", "maximum")
VERSIONS = {"v201": OCPP201, "v21": OCPP21}
UNCONFIRMED = ("v21", "NotifyPeriodicEventStream")


@cache
def actions(version: str) -> tuple[str, ...]:
    """The actions of which the package has a schema."""
    names = (
        file.name.removesuffix(".json") for file in files(f"ocpp.{version}").joinpath("schemas").iterdir()
    )
    return tuple(
        sorted({name.removesuffix("Request").removesuffix("Response") for name in names if name[0] != "_"})
    )


def official(version: str, action: str, direction: Direction) -> Any:
    """The official schema of one payload."""
    name = action if (version, action) == UNCONFIRMED else f"{action}{direction.capitalize()}"
    text = files(f"ocpp.{version}").joinpath("schemas", f"{name}.json").read_text("utf-8-sig")
    return json.loads(text)


def judged(schema: Any, root: Any) -> Any:
    """Return what a schema judges by, with every reference resolved."""
    if "$ref" in schema:
        kind, name = schema["$ref"].split("/")[1:]
        return judged(root[kind][name], root)
    found = {key: schema[key] for key in JUDGING if key in schema}
    if "items" in schema:
        found["items"] = judged(schema["items"], root)
    if schema.get("type") == "object":
        members = schema.get("properties", {}).items()
        found["properties"] = {name: judged(member, root) for name, member in members}
        found["required"] = sorted(schema.get("required", []))
        found["additionalProperties"] = schema.get("additionalProperties", True)
    return found


PAYLOADS = [
    pytest.param(version, action, direction, id=f"{version}-{action}-{direction}")
    for version in VERSIONS
    for action in actions(version)
    for direction in DIRECTIONS
    if not ((version, action) == UNCONFIRMED and direction == "response")
]


@pytest.mark.parametrize(("version", "action", "direction"), PAYLOADS)
def test_a_payload_is_judged_by_the_same_rules(version: str, action: str, direction: Direction) -> None:
    ours = json.loads(VERSIONS[version].json_schema(action, direction))
    theirs = official(version, action, direction)
    assert judged(ours, ours) == judged(theirs, theirs)


@pytest.mark.parametrize(("version", "count"), [("v201", 64), ("v21", 91)])
def test_the_messages_are_those_of_the_schema_set(version: str, count: int) -> None:
    messages = json.loads(VERSIONS[version].describe())["messages"]
    assert len(messages) == count
    assert {message["action"] for message in messages} == set(actions(version))


def test_only_one_message_is_not_confirmed() -> None:
    messages = {
        (version, message["action"]): message
        for version, protocol in VERSIONS.items()
        for message in json.loads(protocol.describe())["messages"]
    }
    assert [name for name, message in messages.items() if not message["confirmed"]] == [UNCONFIRMED]
    assert messages[UNCONFIRMED]["response"]["fields"] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_examples_are_valid(version: str) -> None:
    protocol = VERSIONS[version]
    for message in json.loads(protocol.describe())["messages"]:
        for direction in DIRECTIONS:
            text = json.dumps(message["examples"][direction])
            violations = protocol.check_payload(message["action"], direction, text).violations
            assert violations == [], (message["action"], direction, [found.pointer for found in violations])


@pytest.mark.parametrize("version", VERSIONS)
def test_each_fact_that_was_not_read_is_marked(version: str) -> None:
    """The schema set names neither directions nor functional blocks."""
    for message in json.loads(VERSIONS[version].describe())["messages"]:
        assert message["known"] == ["sender", "profile"]
        assert {source["file"] for source in message["sources"]} == set(message["sections"])


def violations(protocol: Protocol, action: str, payload: dict[str, Any]) -> list[tuple[str, str]]:
    found = protocol.check_payload(action, "request", json.dumps(payload)).violations
    return [(violation.code, violation.pointer) for violation in found]


def test_custom_data_may_have_any_members_and_nothing_else_may() -> None:
    custom = {"vendorId": "com.example", "colour": {"red": 1}}
    assert violations(OCPP201, "Heartbeat", {"customData": custom}) == []
    assert violations(OCPP201, "Heartbeat", {"customData": {"colour": 1}}) == [
        ("ProtocolError", "/customData/vendorId")
    ]
    assert violations(OCPP201, "Heartbeat", {"colour": 1}) == [("FormatViolation", "/colour")]


def test_the_data_of_a_data_transfer_are_any_json_value() -> None:
    values: list[Any] = [None, 1, "text", [{}], {"a": [1]}]
    for data in values:
        assert violations(OCPP201, "DataTransfer", {"vendorId": "v", "data": data}) == []


def test_a_decimal_may_have_a_greatest_value() -> None:
    schedule = {"requestTimeStamp": "2026-03-01T08:00:00Z"}
    update = {"chargingProfileId": 1, "scheduleUpdate": {"dischargeLimit": 0.5}}
    assert violations(OCPP21, "UpdateDynamicSchedule", update) == [
        ("PropertyConstraintViolation", "/scheduleUpdate/dischargeLimit")
    ]
    update["scheduleUpdate"] = {"dischargeLimit": -0.5}
    assert violations(OCPP21, "UpdateDynamicSchedule", update) == []
    assert violations(OCPP21, "AFRRSignal", {"timestamp": schedule["requestTimeStamp"], "signal": 1}) == []
