"""The judge of commands finds each end that must not be."""

import pytest

from tests.faults.commands import Issued, judge_commands
from tests.faults.judge import Kind


def _kinds(issued: list[Issued], received: dict[str, int], states: dict[str, str]) -> list[Kind]:
    return [finding.kind for finding in judge_commands(issued, received, states)]


@pytest.mark.parametrize(
    ("state", "calls", "found"),
    [
        ("accepted", 1, []),
        ("timed_out", 1, []),
        ("timed_out", 0, []),
        ("connection_lost", 1, []),
        ("connection_lost", 0, []),
        ("offline", 0, []),
        ("queued", 0, [Kind.LOST]),
        ("sent", 1, [Kind.LOST]),
        ("accepted", 2, [Kind.DOUBLED]),
        ("connection_lost", 2, [Kind.DOUBLED]),
        ("accepted", 0, [Kind.INVENTED]),
        ("offline", 1, [Kind.CHANGED]),
        ("expired", 1, [Kind.CHANGED]),
    ],
)
def test_each_end_fits_the_calls_that_came(state: str, calls: int, found: list[Kind]) -> None:
    assert _kinds([Issued("CP-1", {"a"})], {"a": calls} if calls else {}, {"a": state}) == found


def test_an_answered_request_whose_command_is_not_stored_is_lost() -> None:
    assert _kinds([Issued("CP-1", {"a"})], {}, {}) == [Kind.LOST]


def test_a_request_with_one_key_makes_one_command() -> None:
    states = {"a": "accepted", "b": "accepted"}
    assert _kinds([Issued("CP-1", {"a", "b"})], {"a": 1, "b": 1}, states) == [Kind.DOUBLED]


def test_a_command_or_a_call_of_no_request_is_invented() -> None:
    assert _kinds([], {"a": 1}, {"b": "accepted"}) == [Kind.INVENTED, Kind.INVENTED]


def test_a_refusal_for_good_is_found() -> None:
    assert _kinds([Issued("CP-1", refusals=["HTTP 500"])], {}, {}) == [Kind.REFUSED]
