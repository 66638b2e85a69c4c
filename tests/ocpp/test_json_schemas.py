"""The JSON Schemas that we publish judge as our validator does."""

import json
from decimal import Decimal

import pytest
from jsonschema import Draft202012Validator

from tests.support.mutations import full_payload, mutations
from tests.support.protocol import DIRECTIONS, MESSAGES, OCPP16, Direction, fields_of

BEYOND_A_SCHEMA = {"is not a date and time", "is beyond 64 bits"}
"""Formats are remarks in a schema, and it has no 64 bits."""


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("action", MESSAGES)
def test_schema_and_validator_agree_on_every_single_change(action: str, direction: Direction) -> None:
    schema = json.loads(OCPP16.json_schema(action, direction), parse_float=Decimal)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    fields = fields_of(action, direction)
    payload = full_payload(fields)
    assert validator.is_valid(json.loads(json.dumps(payload), parse_float=Decimal))
    for mutation in mutations(payload, fields):
        if mutation.name in BEYOND_A_SCHEMA or (mutation.pointer, mutation.name) == ("", "is null"):
            continue
        text = json.dumps(mutation.payload)
        ours = not OCPP16.check_payload(action, direction, text, strict=True).violations
        theirs = validator.is_valid(json.loads(text, parse_float=Decimal))
        assert ours == theirs, (mutation.pointer, mutation.name)


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="sideways"):
        OCPP16.json_schema("Heartbeat", "sideways")  # type: ignore[arg-type]
