"""Lays out a JSON value as lines, each with the numbers of the findings at its place."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from app.web.problems import pointer_token

LINES_LIMIT: Final = 2000
"""Lines that a page shows of one value."""

_INDENT: Final = "  "
Marks = Mapping[str, Sequence[int]]
"""The numbers of findings, by JSON pointer."""


@dataclass(frozen=True, slots=True)
class MarkedLine:
    """One line. numbers: of the findings at its place; is_missing: its value is not there."""

    text: str
    numbers: tuple[int, ...] = ()
    is_missing: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The lines of a value. is_cut: there are more than a page shows."""

    lines: tuple[MarkedLine, ...]
    is_cut: bool


def lay_out(value: Any, marks: Marks) -> Layout:
    """Lay out a value. A finding at a member that is missing gets a line of its own in its object.

    Raises:
        RecursionError: the value is nested too deeply.
    """
    lines = tuple(islice(_lines(value, "", "", "", marks), LINES_LIMIT + 1))
    return Layout(lines[:LINES_LIMIT], len(lines) > LINES_LIMIT)


def _lines(value: Any, pointer: str, before: str, after: str, marks: Marks) -> Iterator[MarkedLine]:
    """Lay out one value. before, after: text on its first line, such as its name, and on its last."""
    numbers = tuple(marks.get(pointer, ()))
    members = _members(value, pointer)
    missing = _missing(value, pointer, marks) if isinstance(value, dict) else []
    if not members and not missing:
        yield MarkedLine(f"{before}{json.dumps(value, ensure_ascii=False)}{after}", numbers)
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield MarkedLine(f"{before}{opening}", numbers)
    margin = before[: len(before) - len(before.lstrip(" "))]
    inner = margin + _INDENT
    for place, (step, name, member) in enumerate(members):
        comma = "," if place + 1 < len(members) else ""
        yield from _lines(member, f"{pointer}/{step}", f"{inner}{name}", comma, marks)
    for step, name in missing:
        yield MarkedLine(f"{inner}{name}", tuple(marks[f"{pointer}/{step}"]), is_missing=True)
    yield MarkedLine(f"{margin}{closing}{after}")


def _members(value: Any, pointer: str) -> list[tuple[str, str, Any]]:
    """Return the members of an object or array: the step of each in a pointer, its name and its value."""
    if isinstance(value, dict):
        return [
            (pointer_token(name), f"{json.dumps(name, ensure_ascii=False)}: ", member)
            for name, member in value.items()
        ]
    if isinstance(value, list):
        return [(str(place), "", member) for place, member in enumerate(value)]
    return []


def _missing(value: dict[str, Any], pointer: str, marks: Marks) -> list[tuple[str, str]]:
    """Return the members of an object that have a finding and are not there."""
    present = {pointer_token(name) for name in value}
    found = (mark.removeprefix(f"{pointer}/") for mark in marks if mark.startswith(f"{pointer}/"))
    steps = [step for step in found if "/" not in step and step not in present]
    return [(step, f'"{step.replace("~1", "/").replace("~0", "~")}": …') for step in steps]
