"""The layout of a value as lines: the text is the value again, and each finding is at its place."""

import json
from typing import Any

import pytest

from app.catalog.pages.marking import LINES_LIMIT, MarkedLine, lay_out

VALUES: list[Any] = [
    None,
    [],
    {},
    "ä\u0000",
    [2, "1", "Heartbeat", {}],
    {"a": [1, {"b": []}], "c/d~e": {"f": 1.5}, "g": [[1], [2, 3]]},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_the_lines_are_the_value(value: Any) -> None:
    layout = lay_out(value, {})
    text = "\n".join(line.text for line in layout.lines)
    assert json.loads(text) == value
    if value not in ([], {}):
        indented = json.dumps(value, indent=2, ensure_ascii=False)
        assert text == indented
    assert not layout.is_cut


def test_a_finding_stands_at_its_value() -> None:
    lines = lay_out({"a": [5, {"b/c": 1}]}, {"": [1], "/a/0": [2], "/a/1/b~1c": [3, 4]}).lines
    assert [(line.text.strip(), line.numbers) for line in lines if line.numbers] == [
        ("{", (1,)),
        ("5,", (2,)),
        ('"b/c": 1', (3, 4)),
    ]


def test_what_is_missing_has_a_line_in_its_object() -> None:
    lines = lay_out([{"a": 1}, {}], {"/0/b": [1], "/1/c~1d": [2], "/2/x": [3]}).lines
    assert [line for line in lines if line.is_missing] == [
        MarkedLine('    "b": …', (1,), is_missing=True),
        MarkedLine('    "c/d": …', (2,), is_missing=True),
    ]


def test_a_long_value_is_cut() -> None:
    assert lay_out([0] * (LINES_LIMIT - 2), {}).is_cut is False
    layout = lay_out([0] * LINES_LIMIT, {})
    assert (len(layout.lines), layout.is_cut) == (LINES_LIMIT, True)
