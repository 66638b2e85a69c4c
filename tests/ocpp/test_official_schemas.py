"""Our verdict on a payload is that of the official JSON Schemas, but for the differences listed here.

The schemas come with the PyPI package `ocpp`; they are compared, not copied. Format checks are off: in
draft 4 a format is a remark.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from tests.support.mutations import Mutation, changed, full_payload, mutations
from tests.support.protocol import DIRECTIONS, MESSAGES, OCPP16, Direction, fields_of
from tests.support.strategies import actions, directions, payloads

FROM_0 = "3.8: 0 is the charge point and connectors count from 1; the schema has no bound"
FROM_1 = "the field table asks for more than 0 ({}); the schema has no bound"
STACK_LEVEL = "7.8 asks for 0 or more; the schema has no bound"
PERIODS = "7.13 asks for 1..* periods; the schema has no minItems"
LEAST = "is below the minimum"
EMPTY = "is an empty array"

DIFFERENCES: dict[tuple[str, str, str], str] = {
    ("ChangeAvailability", "/connectorId", LEAST): FROM_0,
    ("ClearChargingProfile", "/connectorId", LEAST): FROM_0,
    ("GetCompositeSchedule", "/connectorId", LEAST): FROM_0,
    ("GetCompositeScheduleResponse", "/connectorId", LEAST): FROM_0,
    ("MeterValues", "/connectorId", LEAST): FROM_0,
    ("ReserveNow", "/connectorId", LEAST): FROM_0,
    ("SetChargingProfile", "/connectorId", LEAST): FROM_0,
    ("StatusNotification", "/connectorId", LEAST): FROM_0,
    ("TriggerMessage", "/connectorId", LEAST): FROM_0,
    ("ExtendedTriggerMessage", "/connectorId", LEAST): FROM_1.format("S 5.5"),
    ("RemoteStartTransaction", "/connectorId", LEAST): FROM_1.format("6.33"),
    ("StartTransaction", "/connectorId", LEAST): FROM_1.format("6.45"),
    ("UnlockConnector", "/connectorId", LEAST): FROM_1.format("6.53"),
    ("RemoteStartTransaction", "/chargingProfile/stackLevel", LEAST): STACK_LEVEL,
    ("SetChargingProfile", "/csChargingProfiles/stackLevel", LEAST): STACK_LEVEL,
    ("GetCompositeScheduleResponse", "/chargingSchedule/chargingSchedulePeriod", EMPTY): PERIODS,
    ("RemoteStartTransaction", "/chargingProfile/chargingSchedule/chargingSchedulePeriod", EMPTY): PERIODS,
    ("SetChargingProfile", "/csChargingProfiles/chargingSchedule/chargingSchedulePeriod", EMPTY): PERIODS,
    ("StopTransaction", "/transactionData/*/sampledValue", EMPTY): (
        "7.33 asks for 1..* samples, as the schema of MeterValues does; this one has no minItems"
    ),
    ("GetInstalledCertificateIdsResponse", "/certificateHashData", EMPTY): (
        "S 5.8 allows 0..* certificates; the schema asks for one"
    ),
    ("MeterValues", "/meterValue/*/sampledValue/*/unit", "is Hertz"): (
        "E 3.84: there is no unit for hertz; the schema has one, that of StopTransaction has none"
    ),
}
"""(schema, pointer, change) to the reason why we judge otherwise than the schema."""

EVERYWHERE: dict[str, str] = {
    "is not a date and time": "3.15 and RFC 3339; a schema's format is a remark only",
    "is beyond 64 bits": "numbers are held in 64 bits; the standard sets no bound",
}
"""Changes that we refuse and the schemas let pass, wherever they are made."""

NULL_PAYLOAD = "OCPP-J 4.2.1 allows null instead of an empty payload; the schemas ask for an object"


@cache
def official(schema: str) -> Any:
    """The validator of one official schema; numbers are decimals, so that 0.1 is a tenth."""
    text = files("ocpp.v16").joinpath("schemas", f"{schema}.json").read_text("utf-8-sig")
    return Draft4Validator(json.loads(text, parse_float=Decimal))


def official_accepts(schema: str, payload: str) -> bool:
    return bool(official(schema).is_valid(json.loads(payload, parse_float=Decimal)))


def we_accept(action: str, direction: Direction, payload: str) -> bool:
    return not OCPP16.check_payload(action, direction, payload, strict=True).violations


def schema_name(action: str, direction: Direction) -> str:
    return action if direction == "request" else f"{action}Response"


SCHEMAS = [
    pytest.param(action, direction, id=schema_name(action, direction))
    for action in MESSAGES
    for direction in DIRECTIONS
]


def official_values(schema: Any, root: Any, pointer: str = "") -> Iterator[tuple[str, list[str]]]:
    """Pointer and values of each enum in an official schema."""
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    if "enum" in schema:
        yield pointer, schema["enum"]
    for name, member in schema.get("properties", {}).items():
        yield from official_values(member, root, f"{pointer}/{name}")
    if "items" in schema:
        yield from official_values(schema["items"], root, f"{pointer}/*")


def systematic(action: str, direction: Direction) -> Iterator[Mutation]:
    """All changes of the full payload, and each enum value that only the official schema knows."""
    fields = fields_of(action, direction)
    payload = full_payload(fields)
    root = official(schema_name(action, direction)).schema
    values = dict(official_values(root, root))
    for mutation in mutations(payload, fields):
        yield mutation
        if mutation.name == "is an unknown value":
            for value in values.get(mutation.pointer, ()):
                yield Mutation(mutation.steps, f"is {value}", changed(payload, mutation.steps, value))


@pytest.mark.parametrize(("action", "direction"), SCHEMAS)
def test_every_single_change_gets_the_official_verdict_or_a_listed_one(
    action: str, direction: Direction
) -> None:
    schema = schema_name(action, direction)
    found = set()
    for mutation in systematic(action, direction):
        text = json.dumps(mutation.payload)
        same = we_accept(action, direction, text) == official_accepts(schema, text)
        if not same and not is_everywhere(mutation):
            found.add((schema, mutation.pointer, mutation.name))
    assert found == {key for key in DIFFERENCES if key[0] == schema}


def is_everywhere(mutation: Mutation) -> bool:
    return mutation.name in EVERYWHERE or (mutation.pointer, mutation.name) == ("", "is null")


def test_every_difference_names_a_schema() -> None:
    names = {schema_name(action, direction) for action in MESSAGES for direction in DIRECTIONS}
    assert {schema for schema, _, _ in DIFFERENCES} <= names


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_differs_everywhere_does_differ(name: str) -> None:
    verdicts = {
        (we_accept(action, direction, text), official_accepts(schema_name(action, direction), text))
        for action in MESSAGES
        for direction in DIRECTIONS
        for mutation in systematic(action, direction)
        if mutation.name == name
        for text in [json.dumps(mutation.payload)]
    }
    assert verdicts == {(False, True)}


def test_null_is_an_empty_payload() -> None:
    accepted = {action for action in MESSAGES if we_accept(action, "request", "null")}
    assert accepted == {action for action in MESSAGES if we_accept(action, "request", "{}")}, NULL_PAYLOAD
    assert not any(official_accepts(action, "null") for action in MESSAGES)


def test_the_full_payload_and_the_example_of_every_message_are_valid_for_both() -> None:
    for action, message in MESSAGES.items():
        for direction in DIRECTIONS:
            for payload in (full_payload(fields_of(action, direction)), message["examples"][direction]):
                text = json.dumps(payload)
                assert we_accept(action, direction, text), (action, direction)
                assert official_accepts(schema_name(action, direction), text), (action, direction)


@pytest.mark.slow
def test_generated_payloads_and_their_changes_get_the_official_verdict() -> None:
    accepted: list[bool] = []

    @settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data(), actions, directions)
    def judge(data: st.DataObject, action: str, direction: Direction) -> None:
        schema = schema_name(action, direction)
        payload = data.draw(payloads(action, direction))
        text = json.dumps(payload)
        assert we_accept(action, direction, text)
        assert official_accepts(schema, text)
        accepted.append(True)
        mutation = data.draw(st.sampled_from(list(mutations(payload, fields_of(action, direction)))))
        if is_everywhere(mutation) or (schema, mutation.pointer, mutation.name) in DIFFERENCES:
            return
        text = json.dumps(mutation.payload)
        accepted.append(we_accept(action, direction, text))
        assert accepted[-1] == official_accepts(schema, text)

    judge()
    assert 0.5 <= accepted.count(True) / len(accepted) <= 0.9
