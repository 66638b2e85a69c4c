"""`app/ocpp/v16.py` agrees with the definition; that it is fresh, `make lint` checks."""

from typing import Literal, get_args, is_typeddict

import pytest

from app.ocpp import v16
from tests.support.protocol import MESSAGES, TYPES


@pytest.mark.parametrize("action", MESSAGES)
@pytest.mark.parametrize("suffix", ["Request", "Response"])
def test_every_payload_has_a_typed_dict_with_its_fields(
    action: str, suffix: Literal["Request", "Response"]
) -> None:
    typed_dict = getattr(v16, f"{action}{suffix}")
    assert is_typeddict(typed_dict)
    fields = MESSAGES[action][suffix.lower()]["fields"]
    assert typed_dict.__required_keys__ == {field["name"] for field in fields if field["required"]}
    assert typed_dict.__optional_keys__ == {field["name"] for field in fields if not field["required"]}


def test_enums_are_literals_of_their_values() -> None:
    for name, named_type in TYPES.items():
        if named_type["kind"] == "enum":
            assert get_args(getattr(v16, name)) == tuple(value["value"] for value in named_type["values"])
