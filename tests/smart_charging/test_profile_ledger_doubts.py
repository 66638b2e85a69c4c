"""The ledger of charging profiles where answers are missing: what may be, and how long that is kept."""

from dataclasses import replace

import pytest

from app.smart_charging.profile_ledger import STATES_LIMIT, TRIES_AT_EACH_END
from app.types import Json
from tests.support.profile_story import Story, numbers, only, profile


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_clear_that_met_nothing_where_we_know_of_something_leaves_both(story: Story) -> None:
    story.set(1, profile(1))
    story.clear("Unknown", id=1)
    assert {tuple(numbers(state)) for state in story.ledger.states} == {(1,), ()}


def test_what_a_clear_did_not_find_is_denied_until_it_is_sent_again(story: Story) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2, level=1))
    story.clear("Unknown", id=1)
    assert story.ledger.denied == {1}
    story.set(1, profile(1), None)
    assert story.ledger.denied == set()


def test_of_clears_that_meet_nothing_each_time_few_are_kept(story: Story) -> None:
    story.set(1, profile(1))
    clears = []
    for _ in range(12):
        clears.append(story.clear("Unknown", id=1))
        story.set(1, profile(1, level=3), None)
    assert story.ledger.superseded >= set(clears[TRIES_AT_EACH_END:-TRIES_AT_EACH_END])
    assert {tuple(numbers(state)) for state in story.ledger.states} == {(1,), ()}
    story.clear(id=1)
    assert only(story.ledger) == []


@pytest.mark.parametrize(("status", "state"), [("Done", "rejected"), ("Scheduled", "accepted")])
def test_a_status_of_other_answers_or_of_none_is_neither_yes_nor_no(
    story: Story, status: str, state: str
) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2), status, state=state)
    assert {tuple(numbers(state)) for state in story.ledger.states} == {(1,), (2,)}


@pytest.mark.parametrize("state", ["timed_out", "connection_lost", "expired", "sent"])
def test_without_an_answer_both_the_old_and_the_new_may_hold(story: Story, state: str) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2), None, state=state)
    assert {tuple(numbers(state)) for state in story.ledger.states} == {(1,), (2,)}
    assert story.ledger.superseded == set()
    assert numbers(story.ledger.everywhere()) == []
    assert numbers(story.ledger.anywhere) == [1, 2]


def test_an_answer_nobody_can_read_leaves_both(story: Story) -> None:
    story.set(
        1, profile(1), None, state="call_error", result={"state": "?"}, error={"code": "FormationViolation"}
    )
    assert {tuple(numbers(state)) for state in story.ledger.states} == {(), (1,)}


@pytest.mark.parametrize(
    ("late", "left"),
    [
        ({"state": "accepted", "result": {"status": "Accepted"}, "error": None}, [2]),
        ({"state": "rejected", "result": {"status": "Rejected"}, "error": None}, [1]),
    ],
)
def test_a_late_answer_settles_it_in_its_own_place(story: Story, late: Json, left: list[int]) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2), None, late_result=late)
    assert only(story.ledger) == left


def test_a_late_answer_counts_before_what_was_sent_after_it(story: Story) -> None:
    late = {"state": "accepted", "result": {"status": "Accepted"}, "error": None}
    story.set(1, profile(1), None, late_result=late)
    story.set(1, profile(2))
    assert only(story.ledger) == [2]


def test_an_unanswered_clear_leaves_both(story: Story) -> None:
    story.set(1, profile(1))
    story.clear(None)
    assert {tuple(numbers(state)) for state in story.ledger.states} == {(1,), ()}


def test_a_later_certain_answer_settles_what_was_open(story: Story) -> None:
    story.set(1, profile(1))
    open_command = story.set(1, profile(2), None)
    story.set(1, profile(3))
    assert only(story.ledger) == [3]
    assert open_command in story.ledger.superseded


def test_the_same_profile_sent_again_without_an_answer_is_not_in_doubt(story: Story) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2, level=1))
    story.set(1, profile(1), None)
    assert only(story.ledger) == [1, 2]


def test_repeated_tries_without_an_answer_do_not_multiply(story: Story) -> None:
    story.set(1, profile(1))
    for _ in range(20):
        story.set(1, profile(2), None)
    assert {tuple(numbers(state)) for state in story.ledger.states} == {(1,), (2,)}


def test_of_the_tries_of_a_silent_charge_point_few_are_kept(story: Story) -> None:
    story.set(1, profile(1))
    tries = [story.set(1, profile(2), None) for _ in range(12)]
    refused = story.set(1, profile(3), "Rejected")
    tries += [story.set(1, profile(2), None) for _ in range(12)]
    assert story.ledger.superseded == set(tries[TRIES_AT_EACH_END:-TRIES_AT_EACH_END])
    assert refused not in story.ledger.superseded
    assert {tuple(numbers(state)) for state in story.ledger.states} == {(1,), (2,)}


def test_an_open_try_counts_however_the_ones_after_it_are_answered(story: Story) -> None:
    story.set(1, profile(1))
    story.set(1, profile(2, level=1), None)
    story.set(1, profile(2, level=1), None)
    story.clear(None, id=2)
    refused: Json = {"state": "rejected", "result": {"status": "Rejected"}, "error": None}
    story.commands = [row for row in story.commands if row.id not in story.ledger.superseded]
    story.commands[-2:] = [replace(row, late_result=refused) for row in story.commands[-2:]]
    assert {tuple(numbers(state)) for state in story.ledger.states} == {(1,), (1, 2)}


def test_with_too_many_open_answers_nothing_is_said(story: Story) -> None:
    several = range(1, STATES_LIMIT.bit_length() + 5)
    for number in several:
        story.set(1, profile(number, level=number), None)
    assert story.ledger.overflow
    assert story.ledger.states == ((),)
    assert story.ledger.superseded == set()
    for number in several:
        story.set(1, profile(number, level=number))
    assert only(story.ledger) == list(several)
    for number in several:
        story.set(2, profile(number + 100, level=number), None)
    assert story.ledger.overflow
    story.clear()
    assert only(story.ledger) == []


def test_leaving_out_the_superseded_changes_nothing(story: Story) -> None:
    story.start(501)
    story.set(0, profile(1))
    story.set(1, profile(2))
    story.set(1, profile(3, "TxProfile", transactionId=501))
    story.set(1, profile(2, level=4), "Rejected")
    story.clear(connectorId=1, stackLevel=0, chargingProfilePurpose="TxDefaultProfile")
    story.set(2, profile(4), None)
    story.set(2, profile(4))
    before = story.ledger
    assert before.superseded
    story.commands = [row for row in story.commands if row.id not in before.superseded]
    assert story.ledger.states == before.states
    assert story.ledger.refused == before.refused
    assert story.ledger.superseded == set()
