"""Hypothesis strategies for payloads, derived from the protocol definition.

Payloads keep the definition of each field. Rules across fields (`rules` of a message) are not kept:
filter with `app.ocpp.Protocol.check_call` where they matter. Arrays have one to three items.
"""

from typing import Any, TypeAlias

from hypothesis import strategies as st

from tests.support.protocol import MESSAGES, Direction, Field, fields_of

Payload: TypeAlias = dict[str, Any]

INTEGERS = {"min_value": -(2**63), "max_value": 2**63 - 1}
LONGEST_FREE_TEXT = 80
MOST_ITEMS = 3

actions = st.sampled_from(sorted(MESSAGES))
"""Draws an action."""

directions: st.SearchStrategy[Direction] = st.sampled_from(("request", "response"))
"""Draws a direction."""


def payloads(action: str, direction: Direction) -> st.SearchStrategy[Payload]:
    """Draw valid payloads of one message. Optional fields are sometimes absent."""
    return _objects(fields_of(action, direction))


def _objects(fields: tuple[Field, ...]) -> st.SearchStrategy[Payload]:
    return st.fixed_dictionaries(
        {field.name: _values(field) for field in fields if field.required},
        optional={field.name: _values(field) for field in fields if not field.required},
    )


def _values(field: Field) -> st.SearchStrategy[Any]:
    single = _single(field)
    if not field.many:
        return single
    most = MOST_ITEMS if field.max_items is None else min(MOST_ITEMS, field.max_items)
    return st.lists(single, min_size=max(1, field.min_items), max_size=most)


def _single(field: Field) -> st.SearchStrategy[Any]:
    match field.kind:
        case "string":
            return texts(field.max_length)
        case "enum":
            return st.sampled_from(field.values)
        case "integer":
            bounds = {"min_value": field.minimum, "max_value": field.maximum}
            given = {name: bound for name, bound in bounds.items() if bound is not None}
            return st.integers(**{**INTEGERS, **given})
        case "decimal":
            return decimals(tenths=field.tenths)
        case "boolean":
            return st.booleans()
        case "dateTime":
            return date_times()
        case "anyURI":
            return st.sampled_from(("https://files.example.com/a?b=c", "ftp://user:password@host:2121/path"))
        case "object":
            return _objects(field.fields)
        case kind:
            raise AssertionError(f"no strategy for {kind}")


def texts(max_length: int | None) -> st.SearchStrategy[str]:
    """Draw texts of up to `max_length` characters, control characters and emoji included."""
    longest = LONGEST_FREE_TEXT if max_length is None else min(max_length, LONGEST_FREE_TEXT)
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=longest)


def decimals(*, tenths: bool) -> st.SearchStrategy[float | int]:
    """Draw numbers of JSON. tenths: with at most one decimal."""
    whole = st.integers(-100_000, 1_000_000)
    if tenths:
        return whole | whole.map(lambda number: number / 10)
    return whole | st.floats(allow_nan=False, allow_infinity=False)


def date_times() -> st.SearchStrategy[str]:
    """Draw times in all forms of RFC 3339: fractions, offsets, `Z` (OCPP 1.6 3.15)."""
    moments = st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat())
    fractions = st.sampled_from(("", ".5", ".123", ".000001"))
    zones = st.sampled_from(("Z", "+00:00", "+05:30", "-08:00"))
    return st.tuples(moments, fractions, zones).map("".join)
