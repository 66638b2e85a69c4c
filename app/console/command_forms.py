"""Forms for the actions of the central system, made from the definition of the protocol."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.console.input_fields import FieldKind, FormField, FormGroup
from app.types import Json

_KINDS: Final[Mapping[str, FieldKind]] = {"integer": "integer", "decimal": "decimal", "dateTime": "time"}
_LONG_TEXT: Final = 500
"""Characters from which a text has several lines, such as a certificate."""


@dataclass(frozen=True, slots=True)
class CommandForm:
    """The form of one action."""

    action: str
    profile: str
    summary: str
    groups: tuple[FormGroup, ...]


def forms_of(description: Json) -> dict[str, CommandForm]:
    """Make the forms of all actions that the central system sends, by action.

    description: the definition of a version of OCPP, as `Protocol.describe` gives it.
    """
    profiles = {profile["key"]: profile["name"] for profile in description["profiles"]}
    return {
        message["action"]: CommandForm(
            message["action"],
            profiles[message["profile"]],
            message["summary"],
            tuple(_groups(message, description["types"])),
        )
        for message in description["messages"]
        if message["sender"] != "charge_point"
    }


def _groups(message: Json, types: Json) -> Iterable[FormGroup]:
    fields: Sequence[Json] = message["request"]["fields"]
    return _group("", message["summary"], True, fields, types, message["examples"]["request"])


def _group(
    name: str, note: str, required: bool, fields: Sequence[Json], types: Json, example: Any
) -> list[FormGroup]:
    """Return the group of an object, and those of the objects in it."""
    own: list[FormField] = []
    inner: list[FormGroup] = []
    for described in fields:
        path = f"{name}.{described['name']}" if name else described["name"]
        kind = types.get(described["type"], {})
        sample = example.get(described["name"]) if isinstance(example, dict) else None
        if kind.get("fields") and not described.get("many"):
            needed = required and described["required"]
            inner += _group(path, described["summary"], needed, kind["fields"], types, sample)
        else:
            own.append(_field(path, described, kind, sample))
    return [FormGroup(name, note, required, tuple(own)), *inner]


def _field(path: str, described: Json, kind: Json, sample: Any) -> FormField:
    is_many, is_object = described.get("many", False), bool(kind.get("fields"))
    max_length = described.get("maxLength") or kind.get("maxLength")
    choices = tuple(value["value"] for value in kind.get("values") or ())
    chosen: FieldKind = _KINDS.get(described["type"], "text")
    if is_many:
        chosen = "json" if is_object else "lines"
    elif choices:
        chosen = "choice"
    elif max_length is not None and max_length > _LONG_TEXT:
        chosen = "long_text"
    return FormField(
        name=path,
        label=described["name"],
        kind=chosen,
        required=described["required"],
        note=described["summary"],
        choices=choices,
        minimum=described.get("minimum"),
        max_length=max_length if chosen in ("text", "long_text") else None,
        example=orjson.dumps(sample).decode() if chosen == "json" and sample else "",
    )
