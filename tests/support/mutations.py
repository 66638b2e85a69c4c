"""Makes systematic changes of a valid payload: each is one named change at one place. It judges nothing.

Pointers are JSON pointers with `*` for an array index, so that one name covers every item.
"""

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from tests.support.protocol import Field

Steps: TypeAlias = tuple[str | int, ...]

REMOVED = object()

WRONG_TYPES: dict[str, Any] = {
    "is null": None,
    "is text": "text",
    "is an integer": 12,
    "is a decimal": 12.5,
    "is an integral decimal": 1.0,
    "is a boolean": True,
    "is an empty array": [],
    "is an empty object": {},
}


class Mutation(NamedTuple):
    """One change: its place, its name, and the changed payload."""

    steps: Steps
    name: str
    payload: Any

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer, with `*` for each index."""
        return "".join("/*" if isinstance(step, int) else f"/{step}" for step in self.steps)


def full_payload(fields: tuple[Field, ...]) -> dict[str, Any]:
    """Return a valid payload with all fields, and one item in each array."""
    return {field.name: [_value(field)] if field.many else _value(field) for field in fields}


def _value(field: Field) -> Any:
    if field.kind == "object":
        return full_payload(field.fields)
    if field.kind == "enum":
        return field.values[0]
    return {
        "string": "A",
        "anyURI": "https://files.example.com/a",
        "integer": max(1, field.minimum or 0),
        "decimal": 8.1,
        "boolean": False,
        "dateTime": "2025-03-14T09:00:00Z",
    }[field.kind]


def mutations(payload: dict[str, Any], fields: tuple[Field, ...]) -> Iterator[Mutation]:
    """Yield all changes of `payload`, whose definition is `fields`."""
    for name, value in WRONG_TYPES.items():
        yield Mutation((), name, value)
    for steps, name, value in _of_object(payload, fields, ()):
        yield Mutation(steps, name, changed(payload, steps, value))


def _of_object(
    value: dict[str, Any], fields: tuple[Field, ...], at: Steps
) -> Iterator[tuple[Steps, str, Any]]:
    yield (*at, "unheardOf"), "is unknown", "surplus"
    for field in fields:
        steps = (*at, field.name)
        if field.name not in value:
            continue
        yield steps, "is missing", REMOVED
        yield from _of_type(field, steps)
        if field.many:
            yield steps, "has two items", [value[field.name][0]] * 2
            for index, item in enumerate(value[field.name]):
                yield from _of_type(field, (*steps, index))
                yield from _of_value(item, field, (*steps, index))
        else:
            yield from _of_value(value[field.name], field, steps)


def _of_type(field: Field, steps: Steps) -> Iterator[tuple[Steps, str, Any]]:
    for name, wrong in WRONG_TYPES.items():
        # `_of_value` tests whether a text is a time; its type is correct.
        if not (field.kind == "dateTime" and name == "is text"):
            yield steps, name, wrong


def _of_value(value: Any, field: Field, steps: Steps) -> Iterator[tuple[Steps, str, Any]]:
    match field.kind:
        case "object":
            yield from _of_object(value, field.fields, steps)
        case "enum":
            yield from _of_enum(field, steps)
        case "string" | "anyURI":
            yield from _of_text(field, steps)
        case "integer":
            yield from _of_integer(field, steps)
        case "decimal":
            for number in (0, -1, 8.1, 21.4, 8.25, 1e-7):
                yield steps, f"is {number}", number
        case "dateTime":
            for text in ("", "yesterday", "2025-02-30T00:00:00Z", "2025-03-14 09:00"):
                yield steps, "is not a date and time", text
            yield steps, "has an offset", "2025-03-14T09:00:00.5+05:30"


def _of_enum(field: Field, steps: Steps) -> Iterator[tuple[Steps, str, Any]]:
    for value in field.values:
        yield steps, f"is {value}", value
    yield steps, "is empty", ""
    yield steps, "is an unknown value", "Unheard-of"
    yield steps, "is in other case", field.values[0].swapcase()


def _of_text(field: Field, steps: Steps) -> Iterator[tuple[Steps, str, Any]]:
    yield steps, "is empty", ""
    if field.max_length is None:
        yield steps, "is very long", "x" * 20_000
    else:
        yield steps, "is of full length", "\N{ELECTRIC PLUG}" * field.max_length
        yield steps, "is too long", "x" * (field.max_length + 1)


def _of_integer(field: Field, steps: Steps) -> Iterator[tuple[Steps, str, Any]]:
    if field.minimum is None:
        for number in (-(2**63), -1, 0):
            yield steps, f"is {number}", number
    else:
        yield steps, "is the minimum", field.minimum
        yield steps, "is below the minimum", field.minimum - 1
    for number in (2**31, 2**53 + 1, 2**63 - 1):
        yield steps, f"is {number}", number
    yield steps, "is beyond 64 bits", 2**63


def changed(payload: dict[str, Any], steps: Steps, value: Any) -> Any:
    """Return a copy of `payload` with `value` at the end of `steps`; `REMOVED` removes the member."""
    copied: Any = copy.deepcopy(payload)
    parent = copied
    for step in steps[:-1]:
        parent = parent[step]
    if value is REMOVED:
        del parent[steps[-1]]
    else:
        parent[steps[-1]] = value
    return copied
