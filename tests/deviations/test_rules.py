"""The score: a pure function of counts, never higher for more deviations, 100 only without any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.deviations.dictionary import dictionary
from app.deviations.records import Severity, Software, SoftwareCounts
from app.deviations.rules import LEAST_CALLS, WEIGHTS, per_1000_calls, score_of, severity_of, worst_first

CODES = st.sampled_from(sorted(dictionary()))
COUNTS = st.dictionaries(CODES, st.integers(0, 10**9), max_size=8)
CALLS = st.integers(LEAST_CALLS, 10**12)


@given(CALLS, COUNTS, CODES, st.integers(0, 10**9))
def test_more_deviations_never_raise_the_score(
    calls: int, counts: dict[str, int], code: str, more: int
) -> None:
    before, after = score_of(calls, counts), score_of(calls, {**counts, code: counts.get(code, 0) + more})
    assert before is not None
    assert after is not None
    assert after <= before


@given(CALLS, COUNTS)
def test_the_score_is_100_exactly_without_deviations(calls: int, counts: dict[str, int]) -> None:
    score = score_of(calls, counts)
    assert score is not None
    assert 0.0 <= score <= 100.0
    assert (score == 100.0) == (sum(counts.values()) == 0)


@given(CALLS, COUNTS, st.randoms())
def test_the_order_of_the_codes_does_not_matter(calls: int, counts: dict[str, int], random: object) -> None:
    shuffled = list(counts.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert score_of(calls, dict(shuffled)) == score_of(calls, counts)


@given(CALLS, COUNTS, CALLS)
def test_more_calls_with_the_same_deviations_never_lower_the_score(
    calls: int, counts: dict[str, int], more: int
) -> None:
    before, after = score_of(calls, counts), score_of(calls + more, counts)
    assert before is not None
    assert after is not None
    assert after >= before


@pytest.mark.parametrize(
    ("calls", "counts", "score"),
    [
        (100, {}, 100.0),
        (100, {"unknown_field": 100}, 50.0),
        (100, {"bad_date_time": 100}, 20.0),
        (100, {"item_dropped": 100}, 9.0),
        (10**12, {"unknown_field": 1}, 99.9),
        (99, {}, None),
        (0, {"origin": 1}, None),
        (100, {"no_such_code": 100}, 9.0),
    ],
)
def test_scores(calls: int, counts: dict[str, int], score: float | None) -> None:
    assert score_of(calls, counts) == score


def test_a_worse_severity_weighs_more() -> None:
    assert list(WEIGHTS) == list(Severity)
    assert sorted(WEIGHTS.values()) == list(WEIGHTS.values())
    assert severity_of("no_such_code") is Severity.MONEY


@pytest.mark.parametrize(("count", "calls", "rate"), [(0, 10, 0.0), (1, 3000, 0.33), (5, 0, None)])
def test_rates(count: int, calls: int, rate: float | None) -> None:
    assert per_1000_calls(count, calls) == rate


@given(st.lists(st.tuples(st.integers(0, 300), COUNTS), max_size=8))
def test_the_worst_comes_first_and_the_unknown_last(given_counts: list[tuple[int, dict[str, int]]]) -> None:
    counts = [
        SoftwareCounts(Software("V", "M", str(number)), 1, calls, found)
        for number, (calls, found) in enumerate(given_counts)
    ]
    scores = [score for _, score in worst_first(counts)]
    known = [score for score in scores if score is not None]
    assert scores == sorted(known) + [None] * (len(scores) - len(known))
    assert worst_first(reversed(counts)) == worst_first(counts)
