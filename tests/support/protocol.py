"""The protocols of tests: OCPP 1.6, and an invented one. Resolves the names in the definition of OCPP 1.6."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from app.ocpp import Protocol

Direction = Literal["request", "response"]
DIRECTIONS: tuple[Direction, Direction] = ("request", "response")

OCPP16 = Protocol.v16()
"""OCPP 1.6, made once for all tests."""

OCPP201 = Protocol.v201()
"""OCPP 2.0.1, made once for all tests."""

OCPP21 = Protocol.v21()
"""OCPP 2.1, made once for all tests."""

PROTOCOL: dict[str, Any] = json.loads(OCPP16.describe())
MESSAGES: dict[str, dict[str, Any]] = {message["action"]: message for message in PROTOCOL["messages"]}
TYPES: dict[str, dict[str, Any]] = PROTOCOL["types"]


@cache
def invented_protocol() -> Protocol:
    """Return a protocol of three messages that is not OCPP: Greet, Weigh and Nudge."""
    files = Path(__file__).parents[1] / "vectors" / "invented_protocol"
    texts = {name: (files / f"{name}.toml").read_text() for name in ("core", "types", "errors")}
    return Protocol.load("0.1", [texts["core"]], types=texts["types"], errors=texts["errors"])


@dataclass(frozen=True)
class Field:
    """One field with its resolved type.

    kind: `string`, `integer`, `decimal`, `boolean`, `dateTime`, `anyURI`, `enum` or `object`.
    values: of an enum. fields: of an object.
    """

    name: str
    kind: str
    required: bool
    many: bool
    min_items: int
    max_items: int | None
    max_length: int | None
    minimum: int | None
    maximum: int | None
    tenths: bool
    values: tuple[str, ...]
    fields: tuple["Field", ...]


def fields_of(action: str, direction: Direction) -> tuple[Field, ...]:
    """Return the fields of one payload, in the order of the standard."""
    return tuple(_field(entry) for entry in MESSAGES[action][direction]["fields"])


def _field(entry: dict[str, Any]) -> Field:
    named = TYPES.get(entry["type"], {"kind": entry["type"]})
    return Field(
        name=entry["name"],
        kind=named["kind"],
        required=entry["required"],
        many=entry["many"],
        min_items=entry.get("minItems", 0),
        max_items=entry.get("maxItems"),
        max_length=entry.get("maxLength"),
        minimum=entry.get("minimum"),
        maximum=entry.get("maximum"),
        tenths="multipleOf" in entry,
        values=tuple(value["value"] for value in named.get("values", ())),
        fields=tuple(_field(member) for member in named.get("fields", ())),
    )
