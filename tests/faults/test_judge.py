"""The judge finds each kind of damage, and nothing where there is none."""

from dataclasses import replace

import pytest

from tests.faults.judge import Kind, Record, Verdict, judge
from tests.faults.ledger import Ledger

_START = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": "2026-01-01T00:01:00Z"}
_SAMPLE = [{"value": "100", "unit": "Wh"}]
_VALUES = {
    "connectorId": 1,
    "transactionId": 7,
    "meterValue": [{"timestamp": "2026-01-01T00:02:00Z", "sampledValue": _SAMPLE}],
}
_STOP = {"transactionId": 7, "meterStop": 100, "reason": "Local", "timestamp": "2026-01-01T00:03:00Z"}

STARTED = Record(
    "StartTransaction",
    "2026-01-01T00:01:00Z",
    {"transactionId": 7, "connectorId": 1, "idTag": "TAG", "meterStart": 0},
)
SAMPLED = Record(
    "MeterValues", "2026-01-01T00:02:00Z", {"connectorId": 1, "transactionId": 7, "samples": _SAMPLE}
)
STOPPED = Record(
    "StopTransaction", "2026-01-01T00:03:00Z", {"transactionId": 7, "meterStop": 100, "reason": "Local"}
)
STORED = [STARTED, SAMPLED, STOPPED]


def _charged(*, answered: bool = True) -> Ledger:
    """The ledger of one transaction. answered: whether each message was."""
    ledger = Ledger("CP-1")
    answers = [{"transactionId": 7, "idTagInfo": {"status": "Accepted"}}, {}, {}]
    for number, (action, payload) in enumerate(
        [("StartTransaction", _START), ("MeterValues", _VALUES), ("StopTransaction", _STOP)]
    ):
        ledger.sending(ledger.begin(action, payload), str(number))
        if answered:
            ledger.received([3, str(number), answers[number]])
    return ledger


def _kinds(verdict: Verdict) -> list[Kind]:
    return [finding.kind for finding in verdict.findings]


def test_what_is_stored_as_it_was_sent_is_right() -> None:
    assert judge(_charged(), STORED) == Verdict(sent=3, tries=3, answered=3, stored=3, findings=())


@pytest.mark.parametrize("missing", STORED, ids=lambda record: record.action)
def test_an_answered_record_that_is_not_stored_is_lost(missing: Record) -> None:
    assert _kinds(judge(_charged(), [one for one in STORED if one != missing])) == [Kind.LOST]


@pytest.mark.parametrize("twice", STORED, ids=lambda record: record.action)
@pytest.mark.parametrize("answered", [True, False])
def test_a_record_that_is_stored_twice_is_doubled(twice: Record, answered: bool) -> None:
    assert _kinds(judge(_charged(answered=answered), [*STORED, twice])) == [Kind.DOUBLED]


def test_a_start_with_two_transactions_is_doubled_and_one_of_them_changed() -> None:
    other = replace(STARTED, content={**STARTED.content, "transactionId": 8})
    assert _kinds(judge(_charged(), [*STORED, other])) == [Kind.DOUBLED, Kind.CHANGED]


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (0, {"transactionId": 8}),
        (0, {"connectorId": 2}),
        (0, {"idTag": "OTHER"}),
        (0, {"meterStart": 1}),
        (1, {"transactionId": 8}),
        (1, {"transactionId": None}),
        (1, {"connectorId": 2}),
        (1, {"samples": [{"value": "100.0", "unit": "Wh"}]}),
        (2, {"transactionId": 8}),
        (2, {"meterStop": 101}),
        (2, {"reason": None}),
    ],
)
def test_a_record_with_another_content_is_changed(place: int, change: dict[str, object]) -> None:
    stored = list(STORED)
    stored[place] = replace(stored[place], content={**stored[place].content, **change})
    assert _kinds(judge(_charged(), stored)) == [Kind.CHANGED]


def test_a_record_with_another_time_is_lost_and_the_other_one_is_invented() -> None:
    stored = [STARTED, replace(SAMPLED, moment="2026-01-01T00:02:01Z"), STOPPED]
    assert _kinds(judge(_charged(), stored)) == [Kind.LOST, Kind.INVENTED]


def test_a_later_answer_that_differs_is_a_change() -> None:
    ledger = _charged()
    ledger.received([3, "0", {"transactionId": 8, "idTagInfo": {"status": "Accepted"}}])
    assert _kinds(judge(ledger, STORED)) == [Kind.CHANGED]


def test_a_record_that_was_not_answered_may_be_stored_or_not() -> None:
    ledger = _charged(answered=False)
    assert judge(ledger, []).findings == ()
    assert judge(ledger, STORED) == Verdict(sent=3, tries=3, answered=0, stored=3, findings=())


def test_a_record_that_was_not_answered_must_not_be_stored_otherwise() -> None:
    other = replace(STARTED, content={**STARTED.content, "meterStart": 1})
    assert _kinds(judge(_charged(answered=False), [other])) == [Kind.CHANGED]


def test_a_charge_point_is_asked_to_try_again_by_one_error_only() -> None:
    ledger = _charged()
    ledger.received([4, "2", "InternalError", "", {}])
    assert judge(ledger, STORED).findings == ()
    ledger.received([4, "2", "FormationViolation", "", {}])
    assert _kinds(judge(ledger, STORED)) == [Kind.REFUSED]


def test_a_login_that_was_refused_for_good_is_found() -> None:
    ledger = _charged()
    ledger.refused_logins.append(401)
    assert _kinds(judge(ledger, STORED)) == [Kind.REFUSED]


def test_an_orphan_record_is_invented() -> None:
    orphan = Record("StopTransaction, stop_conflict", "1", {**_STOP})
    assert _kinds(judge(_charged(), [*STORED, orphan])) == [Kind.INVENTED]


def test_verdicts_add_up() -> None:
    both = Verdict.of_all([judge(_charged(), STORED), judge(_charged(), STORED[:2])])
    assert (both.sent, both.tries, both.answered, both.stored) == (6, 6, 6, 5)
    assert both.count(Kind.LOST) == 1
    assert both.count(Kind.CHANGED) == 0
