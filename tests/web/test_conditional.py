"""Which entity tags two headers name, and whether a change is let through: row by row. RFC 9110 13.1"""

import pytest
from pydantic import BaseModel

from app.web.conditional import PreconditionFailed, entity_tag, listed_tags, matching_tag, require_match

TAGS = ('"a"', '"a-gzip"')
TAG_ROWS = {
    "the chosen form": ('"a"', '"a"'),
    "the other form": ('"a-gzip"', '"a-gzip"'),
    "weak": ('W/"a"', '"a"'),
    "in a list": ('"x", "a" , "y"', '"a"'),
    "both forms: the chosen one": ('"a-gzip", "a"', '"a"'),
    "anything": ("*", '"a"'),
    "anything, with spaces": (" * ", '"a"'),
    "another": ('"b"', None),
    "without quotes": ("a", None),
    "empty": ("", None),
    "a star in a list is not a star": ('"b", *', None),
    "part of another tag": ('"xa"', None),
    "text before it": ('x"a"', None),
    "text after it": ('"a"x', None),
    "a small w": ('w/"a"', None),
    "a space in it": ('"a b", "a"', None),
    "without a comma between": ('"b" "a"', None),
    "next to what is not a tag": ('"a", b', None),
    "empty members": (', "b",, "a",', '"a"'),
    "a comma inside another tag": ('"b,c", "a"', '"a"'),
    "inside another tag's commas": ('"b,"a",c"', None),
}


@pytest.mark.parametrize(("header", "tag"), TAG_ROWS.values(), ids=TAG_ROWS)
def test_if_none_match(header: str, tag: str | None) -> None:
    assert matching_tag(header, TAGS) == tag


def test_a_list_keeps_quotes_weakness_and_commas() -> None:
    assert listed_tags(' W/"a" ,"b,c",\t"","\xe9"') == ['W/"a"', '"b,c"', '""', '"\xe9"']


@pytest.mark.parametrize("header", [" " * 60_000 + "x", '"' * 60_000, "," * 60_000, '"a' * 30_000])
def test_a_hostile_list_is_read_in_linear_time(header: str) -> None:
    assert listed_tags(header) == []


class Point(BaseModel):
    """A resource of which `seen` changes by itself."""

    name: str
    seen: int


def tag_of(name: str, seen: int) -> str:
    return entity_tag(Point(name=name, seen=seen), frozenset({"seen"}))


MATCH_ROWS = {
    "absent": (None, True),
    "anything": ("*", True),
    "anything, with spaces": (" *\t", True),
    "the current tag": (tag_of("Gate", 1), True),
    "an older live state": (tag_of("Gate", 0), True),
    "in a list": (f'"x", {tag_of("Gate", 1)}', True),
    "another": (tag_of("Door", 1), False),
    "weak": (f"W/{tag_of('Gate', 1)}", False),
    "without quotes": (tag_of("Gate", 1).strip('"'), False),
    "text after it": (f"{tag_of('Gate', 1)}x", False),
    "next to what is not a tag": (f"{tag_of('Gate', 1)}, x", False),
    "empty": ("", False),
    "an empty tag": ('""', False),
}


@pytest.mark.parametrize(("header", "passes"), MATCH_ROWS.values(), ids=MATCH_ROWS)
def test_if_match(header: str | None, passes: bool) -> None:
    try:
        require_match(header, tag_of("Gate", 1))
    except PreconditionFailed:
        assert not passes
    else:
        assert passes
