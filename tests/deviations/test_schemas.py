"""Whatever the columns hold can be shown."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.deviations.dictionary import dictionary
from app.deviations.records import Software, SoftwareCounts
from app.deviations.rules import score_of
from app.deviations.schemas import deviation_resource, interoperability_of
from app.web.inputs import Time
from app.web.pagination import Page

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 31, 23, 59, 59, 999998), timezones=st.just(UTC))
COUNTS = st.integers(0, 2**63 - 1)
CODES = st.sampled_from(sorted(dictionary())) | TEXTS.filter(bool)
OPTIONAL = st.none() | TEXTS
EXAMPLES = st.fixed_dictionaries(
    {"message_id": OPTIONAL, "action": OPTIONAL, "pointer": TEXTS, "raw": TEXTS, "connection_id": TEXTS}
)
ROWS = st.fixed_dictionaries(
    {
        "code": CODES,
        "count": COUNTS,
        "first_at": TIMES,
        "last_at": TIMES,
        "firmware_version": TEXTS,
        "example": EXAMPLES,
    }
)


@given(ROWS, st.sampled_from(["RDAM-1", "a b|c=d@e+f*", "=+|@._ -"]))
def test_any_row_is_shown(row: dict[str, Any], identity: str) -> None:
    shown = json.loads(deviation_resource(row, identity).model_dump_json())
    assert (shown["code"], shown["count"]) == (row["code"], row["count"])
    query = parse_qs(urlsplit(shown["last_example"]["frames"]).query, strict_parsing=True)
    begin, end = (TypeAdapter(Time).validate_python(query[name][0]) for name in ("from", "to"))
    assert begin <= row["last_at"]
    assert row["last_at"] < end or row["last_at"].year == 9999


@given(TEXTS, COUNTS, st.dictionaries(CODES, COUNTS, max_size=5))
def test_any_counts_are_shown(name: str, calls: int, deviations: dict[str, int]) -> None:
    counted = SoftwareCounts(Software(name, name, name), 1, calls, deviations)
    shown = interoperability_of(counted, score_of(calls, deviations))
    page = json.loads(Page(items=[shown], next_cursor=None).model_dump_json())
    (item,) = page["items"]
    assert item["deviations"] <= 2**63 - 1
    assert [code["count"] for code in item["codes"]] == sorted(deviations.values(), reverse=True)
