"""The rules of stops, without a database."""

from dataclasses import replace
from typing import Any

import pytest

from app.transactions.records import (
    TIME_UNREADABLE,
    UNDATED,
    Ending,
    SamplePlace,
    StoppableTransaction,
    StopRecorded,
    TransactionKey,
    TransactionStop,
    WaitingStop,
)
from app.transactions.rules import stops as rules
from tests.support.session_records import ENDING, HOUR, MINUTE, NOW, OPEN, SECOND, START, STOP, TAG, TAG_KEY

# Which transaction a stop is about


@pytest.mark.parametrize(
    ("number", "names"), [(1, True), (2**31, True), (0, False), (-1, False), (None, False)]
)
def test_a_transaction_id_is_valid_if_it_is_positive(number: int | None, names: bool) -> None:
    assert rules.names_a_transaction(replace(STOP, transaction_id=number)) is names


def test_a_stop_without_reason_is_a_local_one() -> None:
    assert rules.ending_of(STOP) == ENDING
    stop = replace(STOP, reason="R\x00", id_tag="T\ud800", flags=("odd",))
    assert rules.ending_of(stop) == Ending(NOW + HOUR, 9000, "R\ufffd", "T\ufffd", ("odd",))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({}, True, id="open"),
        pytest.param({"ending": ENDING}, True, id="stopped before"),
        pytest.param({"started_at": NOW + 9 * HOUR}, True, id="started after the stop"),
        pytest.param({"id_tag_key": "other"}, True, id="another tag"),
        pytest.param({"id": 43}, False, id="another id"),
        pytest.param({"charge_point_id": 8}, False, id="of another charge point"),
    ],
)
def test_a_valid_id_names_the_transaction_of_its_charge_point(changes: dict[str, Any], found: bool) -> None:
    candidate = OPEN._replace(**changes)
    expected = candidate if found else None
    assert rules.transaction_of(replace(STOP, id_tag="tag-1"), [candidate]) == expected


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({}, True, id="open, the same tag"),
        pytest.param({"started_at": NOW + HOUR}, True, id="started at the moment of the stop"),
        pytest.param({"started_at": NOW + 2 * HOUR}, True, id="the clock was set back, the register went on"),
        pytest.param(
            {"started_at": NOW + 2 * HOUR, "meter_start_wh": 0}, False, id="after it, a session meter"
        ),
        pytest.param(
            {"started_at": NOW + 2 * HOUR, "meter_start_wh": 9000}, False, id="after it, from there"
        ),
        pytest.param(
            {"started_at": NOW + 2 * HOUR, "meter_start_wh": None}, False, id="after it, no register"
        ),
        pytest.param({"id_tag_key": "other"}, True, id="another tag"),
        pytest.param({"ending": ENDING}, False, id="stopped, by a stop with a valid id"),
        pytest.param({"charge_point_id": 8}, False, id="of another charge point"),
    ],
)
def test_a_stop_without_valid_id_closes_an_open_transaction_that_fits(
    changes: dict[str, Any], found: bool
) -> None:
    candidate = OPEN._replace(**changes)
    stop = replace(STOP, transaction_id=-1, id_tag="TAG-1")
    assert rules.transaction_of(stop, [candidate]) == (candidate if found else None)


@pytest.mark.parametrize("number", [0, -1, None, -(2**63)])
def test_a_stop_without_valid_id_and_tag_closes_the_open_transaction_that_arrived_last(
    number: int | None,
) -> None:
    newer = OPEN._replace(id=43, id_tag_key="other", started_at=NOW - HOUR, epoch=2)
    other_connection = newer._replace(id=50, started_at=NOW + MINUTE, epoch=1)
    newest = newer._replace(id=44)
    stop = replace(STOP, transaction_id=number)
    assert rules.transaction_of(stop, [newer, other_connection, newest, OPEN]) == newest


def test_a_stop_without_valid_id_closes_that_of_its_tag_before_newer_ones() -> None:
    newer = OPEN._replace(id=43, id_tag_key="other")
    stop = replace(STOP, transaction_id=-1, id_tag="TAG-1")
    assert rules.transaction_of(stop, [newer, OPEN]) == OPEN


CLOSED = OPEN._replace(ending=ENDING, named_id="-1")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({}, True, id="exactly this stop"),
        pytest.param({"named_id": "0"}, False, id="it named another id"),
        pytest.param({"named_id": None}, False, id="it named none"),
        pytest.param({"ending": ENDING._replace(meter_stop_wh=1)}, False, id="another register"),
        pytest.param({"ending": ENDING._replace(stopped_at=NOW)}, False, id="another time"),
        pytest.param({"ending": ENDING._replace(reason="Other", id_tag="X")}, True, id="reason, tag differ"),
    ],
)
def test_a_retry_without_valid_id_finds_what_it_closed_before_any_open_transaction(
    changes: dict[str, Any], found: bool
) -> None:
    closed = CLOSED._replace(**changes)
    other = OPEN._replace(id=50, started_at=NOW + MINUTE)
    expected = closed if found else other
    assert rules.transaction_of(replace(STOP, transaction_id=-1), [other, closed]) == expected


def test_a_retry_without_valid_id_finds_the_newest_transaction_that_bears_it() -> None:
    other = CLOSED._replace(id=43, started_at=NOW - HOUR)
    assert rules.transaction_of(replace(STOP, transaction_id=-1), [other, CLOSED]) == other


@pytest.mark.parametrize(
    ("stop_flags", "stored_flags", "found"),
    [
        ((TIME_UNREADABLE,), (TIME_UNREADABLE,), True),
        ((TIME_UNREADABLE,), (), False),
        ((), (TIME_UNREADABLE,), False),
    ],
)
def test_a_retry_without_valid_id_and_time_is_known_by_the_flag(
    stop_flags: tuple[str, ...], stored_flags: tuple[str, ...], found: bool
) -> None:
    stop = replace(STOP, transaction_id=-1, stopped_at=NOW + 2 * HOUR, flags=stop_flags)
    closed = CLOSED._replace(flags=stored_flags)
    assert rules.transaction_of(stop, [closed]) == (closed if found else None)


# What follows from stops


def decide(
    *stops: TransactionStop, transaction: StoppableTransaction | None = OPEN
) -> list[rules.StopDecision]:
    return rules.decide_stops(stops, [transaction] * len(stops), {TAG_KEY: TAG})


def test_the_first_stop_closes_its_transaction() -> None:
    [decision] = decide(replace(STOP, id_tag="tag-1", reason="Remote"))
    assert decision.answer == StopRecorded("closed", {"status": "Accepted"}, 42)
    assert decision.orphan_kind is None
    assert decision.samples_at == SamplePlace(42, 1)
    assert decision.closing is not None
    assert decision.closing.transaction == OPEN
    assert decision.closing.ending == ENDING._replace(id_tag="tag-1", reason="Remote")
    assert (decision.closing.received_at, decision.closing.flags) == (STOP.received_at, ())


@pytest.mark.parametrize(
    ("id_tag", "info"),
    [(None, None), ("TAG-1", {"status": "Accepted"}), ("UNKNOWN", {"status": "Invalid"})],
)
def test_a_stop_is_answered_about_the_tag_it_names(id_tag: str | None, info: dict[str, str] | None) -> None:
    [decision] = decide(replace(STOP, id_tag=id_tag))
    assert decision.answer == StopRecorded("closed", info, 42)


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        pytest.param({}, (), id="nothing odd"),
        pytest.param({"meter_stop_wh": 1000, "stopped_at": NOW}, (), id="nothing charged"),
        pytest.param({"meter_stop_wh": 999}, ("meter_decreased",), id="register fell"),
        pytest.param({"stopped_at": NOW - SECOND}, ("stop_before_start",), id="ends before it begins"),
        pytest.param(
            {"meter_stop_wh": 0, "stopped_at": NOW - SECOND, "flags": ("odd",)},
            ("odd", "meter_decreased", "stop_before_start"),
            id="everything",
        ),
    ],
)
def test_what_is_odd_about_an_end_is_flagged(changes: dict[str, Any], flags: tuple[str, ...]) -> None:
    [decision] = decide(replace(STOP, **changes))
    assert decision.closing is not None
    assert decision.closing.flags == flags


STOPPED = OPEN._replace(ending=ENDING._replace(id_tag="TAG-1"), id_tag_info={"status": "Blocked"})
AGAIN = replace(STOP, id_tag="tag-1")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        pytest.param({}, "repeated", id="exactly the same"),
        pytest.param({"received_at": NOW + 9 * HOUR}, "repeated", id="hours later"),
        pytest.param({"id_tag": "TAG-1"}, "repeated", id="tag in another case"),
        pytest.param({"reason": "Local"}, "repeated", id="the default reason, spelled out"),
        pytest.param({"stopped_at": NOW, "flags": (TIME_UNREADABLE,)}, "repeated", id="time unreadable"),
        pytest.param({"meter_stop_wh": 9001}, "conflict", id="register"),
        pytest.param({"stopped_at": NOW}, "conflict", id="time"),
        pytest.param({"reason": "Reboot"}, "conflict", id="reason"),
        pytest.param({"id_tag": "TAG-2"}, "conflict", id="tag"),
        pytest.param({"id_tag": None}, "conflict", id="no tag"),
    ],
)
def test_a_second_stop_repeats_the_first_or_contradicts_it(changes: dict[str, Any], outcome: Any) -> None:
    [decision] = decide(replace(AGAIN, **changes), transaction=STOPPED)
    # The stored answer, whatever the tag may do today.
    assert decision.answer == StopRecorded(outcome, {"status": "Blocked"}, 42)
    assert decision.closing is None
    is_conflict = outcome == "conflict"
    assert decision.orphan_kind == ("stop_conflict" if is_conflict else None)
    assert decision.samples_at == (None if is_conflict else SamplePlace(42, 1))


def test_samples_of_a_repeated_stop_without_valid_id_are_not_stored_twice() -> None:
    [decision] = decide(replace(AGAIN, transaction_id=-1), transaction=STOPPED)
    assert decision.outcome == "repeated"
    assert decision.samples_at is None


@pytest.mark.parametrize("number", [42, 0, -1])
def test_a_stop_without_transaction_is_an_orphan(number: int) -> None:
    [decision] = decide(replace(STOP, transaction_id=number, id_tag="TAG-1"), transaction=None)
    assert decision.answer == StopRecorded("orphan", None)
    assert decision.closing is None
    assert decision.orphan_kind == "stop_unknown_transaction"
    assert decision.samples_at == SamplePlace(number, 0)


def test_the_stops_of_one_batch_count_in_their_order() -> None:
    first, again, other = AGAIN, replace(AGAIN, received_at=NOW), replace(AGAIN, meter_stop_wh=1)
    decisions = decide(first, again, other)
    assert [item.outcome for item in decisions] == ["closed", "repeated", "conflict"]
    assert [item.id_tag_info for item in decisions] == [{"status": "Accepted"}] * 3
    assert [item.closing is None for item in decisions] == [False, True, True]


def test_what_is_kept_of_a_stop_is_its_message_and_what_joining_needs() -> None:
    assert rules.stop_payload(STOP) == {"vendor": "as it came"}
    stop = replace(STOP, reason="Reboot", id_tag="T", flags=("odd",))
    kept = {"reason": "Reboot", "idTag": "T", "flags": ["odd"]}
    assert rules.stop_payload(stop) == {**STOP.raw, **kept}


# Stops that come before their start

WAITING = WaitingStop(3, 1, 7, NOW + HOUR, ENDING._replace(id_tag="TAG-1"), {"kept": True})
DELIVERED = replace(START, received_at=NOW + 2 * HOUR)
"""A start that arrives after its stop."""


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        pytest.param({}, True, id="the same tag"),
        pytest.param({"ending": ENDING}, True, id="no tag"),
        pytest.param({"ending": ENDING._replace(meter_stop_wh=None)}, True, id="no register"),
        pytest.param({"received_at": NOW}, True, id="arrived when it began"),
        pytest.param({"received_at": NOW - SECOND}, False, id="arrived before it began"),
        pytest.param({"received_at": NOW - 8 * 24 * HOUR}, False, id="waits for too long"),
        pytest.param({"ending": ENDING._replace(stopped_at=NOW, meter_stop_wh=1000)}, True, id="at once"),
        pytest.param({"ending": ENDING._replace(stopped_at=NOW - SECOND)}, False, id="before the start"),
        pytest.param({"ending": ENDING._replace(meter_stop_wh=999)}, False, id="less on the register"),
        pytest.param({"ending": ENDING._replace(id_tag="OTHER")}, False, id="another tag"),
        pytest.param({"charge_point_id": 8}, False, id="another charge point"),
        pytest.param({"tenant_id": 2}, False, id="another tenant"),
    ],
)
def test_a_waiting_stop_may_have_ended_a_start_that_fits(changes: dict[str, Any], fits: bool) -> None:
    assert rules.may_have_ended(replace(WAITING, **changes), DELIVERED) is fits


def test_a_stop_waits_for_a_week() -> None:
    stop = replace(WAITING, received_at=NOW + HOUR)
    assert rules.may_have_ended(stop, replace(START, received_at=NOW + HOUR + rules.STOP_WAITS))
    assert not rules.may_have_ended(stop, replace(START, received_at=NOW + HOUR + rules.STOP_WAITS + SECOND))


@pytest.mark.parametrize("flag", sorted(UNDATED))
def test_a_start_whose_time_says_nothing_takes_no_waiting_stop(flag: str) -> None:
    assert not rules.may_have_ended(WAITING, replace(DELIVERED, flags=(flag,)))


def test_the_next_driver_does_not_get_a_stop_that_came_with_a_wrong_clock() -> None:
    ahead = replace(WAITING, received_at=NOW, ending=ENDING._replace(stopped_at=NOW + 9 * HOUR))
    next_driver = replace(START, started_at=NOW + MINUTE, received_at=NOW + MINUTE)
    assert not rules.may_have_ended(ahead, next_driver)


def test_a_late_start_is_closed_by_the_first_waiting_stop_that_fits_and_each_is_taken_once() -> None:
    later = replace(WAITING, id=4)
    meters = (1000, 1001, 1002)
    starts = {
        TransactionKey(1, number): replace(DELIVERED, meter_start_wh=wh)
        for number, wh in enumerate(meters, 50)
    }
    joined = rules.match_waiting_stops(starts, [WAITING, later])
    assert [(item.stop.id, item.closing.transaction.id) for item in joined] == [(3, 50), (4, 51)]


def test_a_joined_stop_closes_as_it_came_and_without_answer() -> None:
    [joined] = rules.match_waiting_stops(
        {TransactionKey(1, 50): replace(DELIVERED, connector_id=2)}, [WAITING]
    )
    closing = joined.closing
    assert closing.transaction == StoppableTransaction(50, 1, 7, 2, "tag-1", NOW, 1000)
    assert (closing.ending, closing.received_at) == (WAITING.ending, WAITING.received_at)
    assert (closing.id_tag_info, closing.raw) == (None, {"kept": True})
    assert closing.flags == ("stop_came_first",)


def test_a_joined_stop_keeps_the_flags_that_it_waited_with() -> None:
    waiting = replace(WAITING, ending=ENDING._replace(flags=(TIME_UNREADABLE,)))
    [joined] = rules.match_waiting_stops({TransactionKey(1, 50): DELIVERED}, [waiting])
    assert joined.closing.flags == (TIME_UNREADABLE, "stop_came_first")
