"""Inputs of forms whose values become a JSON body: of a command, or of a job.

A field is named by its path in the body, with dots. What is valid is decided by the core and by the shapes of
REST; here only numbers, times and JSON are read.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import orjson

from app.console.forms import Refusal, lines_of, time_of
from app.errors import AppError, FieldViolation, InvalidInput
from app.types import Json

FieldKind = Literal[
    "text", "long_text", "integer", "decimal", "time", "choice", "tick", "ticks", "lines", "integers", "json"
]
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class FormField:
    """One input.

    name: its path with dots; required: within its object; example: as JSON, for lists of objects; words: the
    text that people read, by choice.
    """

    name: str
    label: str
    kind: FieldKind
    required: bool
    note: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    max_length: int | None = None
    example: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def pointer(self) -> str:
        """Its JSON pointer in the body."""
        return _pointer(self.name)

    @property
    def control(self) -> str:
        """The name of its controls in the form. Several of `ticks` have the same."""
        return f"{self.name}[]" if self.kind == "ticks" else self.name


@dataclass(frozen=True, slots=True)
class FormGroup:
    """The inputs of one object.

    name: its path with dots; "" for the body itself; required: whether each one around it is; title: for
    people; empty: its name.
    """

    name: str
    note: str
    required: bool
    fields: tuple[FormField, ...]
    title: str = ""

    @property
    def legend(self) -> str:
        """Its heading; empty: none."""
        return self.title or self.name


def field_at(groups: Sequence[FormGroup], pointer: str) -> FormField | None:
    """Return the input that a JSON pointer leads to, or into."""
    fields = [one for group in groups for one in group.fields]
    return next((one for one in fields if (pointer + "/").startswith(one.pointer + "/")), None)


def under(member: str, groups: Sequence[FormGroup]) -> tuple[FormGroup, ...]:
    """Return the same inputs for a body that has their object as a member."""
    return tuple(
        replace(
            group,
            name=f"{member}.{group.name}" if group.name else member,
            title=group.legend,
            fields=tuple(replace(one, name=f"{member}.{one.name}") for one in group.fields),
        )
        for group in groups
    )


def payload_of(groups: Sequence[FormGroup], given: Mapping[str, Sequence[str]]) -> Json:
    """Return the body that the values of a form mean. An empty value is left out.

    Raises:
        InvalidInput: a number or a JSON text cannot be read; the pointers name each.
    """
    payload: Json = {}
    faults: list[FieldViolation] = []
    for one in (one for group in groups for one in group.fields):
        texts = [text for text in given.get(one.control, []) if text.strip()]
        if not texts:
            continue
        try:
            value = texts if one.kind == "ticks" else _value(one, texts[0])
            _put(payload, one.name.split("."), value)
        except ValueError as error:
            faults.append(FieldViolation(one.pointer, "unreadable", str(error)))
    if faults:
        raise InvalidInput(faults)
    return payload


def typed_values(groups: Sequence[FormGroup], given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what was typed, to show it again: a text for each field, all that were ticked for `ticks`."""
    values: dict[str, Any] = {name: texts[0] for name, texts in given.items() if texts}
    ticked = [one for group in groups for one in group.fields if one.kind == "ticks"]
    return {**values, **{one.name: list(given.get(one.control, [])) for one in ticked}}


def refusal_in(groups: Sequence[FormGroup], error: AppError) -> Refusal:
    """Return what a page says of an error next to its inputs."""
    if not isinstance(error, InvalidInput):
        return Refusal(error.status, others=[error.detail])
    legends = {_pointer(group.name): group.legend for group in groups if group.name}
    faults: dict[str, str] = {}
    others: list[str] = []
    for violation in error.violations:
        wrong = field_at(groups, violation.pointer)
        if wrong is not None:
            place = violation.pointer.removeprefix(wrong.pointer + "/")
            number = f"number {int(place) + 1} " if place.isdecimal() else ""
            faults.setdefault(wrong.name, number + violation.detail)
        else:
            about = legends.get(violation.pointer, violation.pointer)
            others.append(f"{about}: {violation.detail}" if about else violation.detail)
    return Refusal(error.status, faults, others)


def _pointer(name: str) -> str:
    return "/" + name.replace(".", "/")


def _value(one: FormField, typed: str) -> Any:
    if one.kind == "long_text":
        # Browsers send lines with CRLF; a certificate ends with a line break of its own.
        return typed.replace("\r\n", "\n")
    text = typed.strip()
    match one.kind:
        case "integer":
            return _integer(text)
        case "decimal":
            if not _DECIMAL.fullmatch(text):
                raise ValueError("is not a number")
            return float(text)
        case "time":
            return time_of(text)
        case "tick":
            return text == "true"
        case "lines":
            return lines_of(text)
        case "integers":
            return [_integer(part) for part in re.split(r"[\s,;]+", text) if part]
        case "json":
            return _json_value(text)
        case _:
            return text


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError("is not a whole number")
    return int(text)


def _json_value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at character {error.pos}") from None


def _put(payload: Json, path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        payload = payload.setdefault(name, {})
    payload[path[-1]] = value
