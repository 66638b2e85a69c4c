"""The rules of starts and stops, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.commands.records import RemoteStart
from app.id_tags.records import IdTagKey, IdTagRecord
from app.transactions import rules
from app.transactions.records import (
    TIME_UNREADABLE,
    Ending,
    JudgedStart,
    RunningTransaction,
    SamplePlace,
    StartKey,
    StoppableTransaction,
    StopRecorded,
    TransactionKey,
    TransactionStart,
    TransactionStop,
    WaitingStop,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
WINDOW = 5 * MINUTE

START = TransactionStart(1, 7, 1, "Tag-1", NOW, NOW + SECOND, 1000)
STOP = TransactionStop(1, 7, 42, NOW + HOUR, NOW + HOUR + SECOND, 9000, raw={"vendor": "as it came"})
TAG = IdTagRecord(1, "TAG-1", "tag-1", "Accepted", None, None, None, None, NOW, NOW)
TAG_KEY = IdTagKey(1, "tag-1")
OPEN = StoppableTransaction(42, 1, 7, 1, "tag-1", NOW, 1000)
ENDING = Ending(NOW + HOUR, 9000, "Local", None)


def judge(
    *starts: TransactionStart,
    tags: dict[IdTagKey, IdTagRecord] | None = None,
    running: tuple[RunningTransaction, ...] = (),
) -> list[JudgedStart]:
    known = {TAG_KEY: TAG} if tags is None else tags
    return rules.judge_starts({rules.start_key(start): start for start in starts}, known, running)


def statuses(judged: list[JudgedStart]) -> list[str]:
    return [item.id_tag_info["status"] for item in judged]


# Starts


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        pytest.param({}, True, id="exactly the same"),
        pytest.param({"received_at": NOW + HOUR}, True, id="an hour later"),
        pytest.param({"id_tag": "TAG-1"}, True, id="tag in another case"),
        pytest.param({"reservation_id": 4}, True, id="another reservation"),
        pytest.param({"raw": {"idTag": "other"}}, True, id="another message"),
        pytest.param({"started_at": NOW + SECOND}, False, id="another time"),
        pytest.param({"meter_start_wh": 1001}, False, id="another register"),
        pytest.param({"connector_id": 2}, False, id="another connector"),
        pytest.param({"charge_point_id": 8}, False, id="another charge point"),
        pytest.param({"tenant_id": 2}, False, id="another tenant"),
        pytest.param({"id_tag": "TAG-2"}, False, id="another tag"),
    ],
)
def test_two_starts_are_the_same_by_place_tag_time_and_register(changes: dict[str, Any], same: bool) -> None:
    assert (rules.start_key(START) == rules.start_key(replace(START, **changes))) is same


@pytest.mark.parametrize("id_tag", ["TAG\x001", "TAG\ud8001"])
def test_a_start_is_known_by_its_tag_as_it_is_stored(id_tag: str) -> None:
    assert rules.start_key(replace(START, id_tag=id_tag)).id_tag_key == "tag\ufffd1"


def test_starts_without_readable_time_are_known_by_its_text_and_not_by_their_arrival() -> None:
    def key(text: object, at: datetime) -> StartKey:
        raw = {"timestamp": text}
        start = replace(START, started_at=at, received_at=at, flags=(TIME_UNREADABLE,), raw=raw)
        return rules.start_key(start)

    assert key("26/11/2026", NOW) == key("26/11/2026", NOW + HOUR)
    assert key("26/11/2026", NOW) != key("27/11/2026", NOW)
    assert key("1", NOW) != key(1, NOW)
    assert key("26/11/2026", NOW) != rules.start_key(START)


def test_a_start_names_its_tag_by_tenant_and_folded_form() -> None:
    assert rules.start_key(START).tag == TAG_KEY


def test_a_start_with_an_unknown_tag_is_judged_invalid_and_kept() -> None:
    [judged] = judge(START, tags={})
    assert judged.id_tag_info == {"status": "Invalid"}
    assert (judged.start, judged.id_tag, judged.flags) == (START, "Tag-1", ())


@pytest.mark.parametrize(
    ("started_at", "received_at", "status", "flags"),
    [
        pytest.param(NOW, NOW + SECOND, "Accepted", (), id="online, before the end"),
        pytest.param(NOW + HOUR, NOW + 2 * HOUR, "Accepted", ("replayed",), id="replayed, before the end"),
        pytest.param(NOW + 2 * HOUR, NOW + 4 * HOUR, "Expired", ("replayed",), id="replayed, after the end"),
        pytest.param(NOW + 2 * HOUR, NOW + 2 * HOUR, "Expired", (), id="online, after the end"),
        pytest.param(NOW + 9 * HOUR, NOW, "Accepted", (), id="a clock that runs ahead"),
        pytest.param(NOW - 5 * MINUTE, NOW, "Accepted", (), id="five minutes are online"),
        pytest.param(
            datetime(1970, 1, 1, tzinfo=UTC), NOW + 2 * HOUR, "Expired", (), id="1970 is not a time"
        ),
        pytest.param(datetime(2000, 1, 1, tzinfo=UTC), NOW, "Accepted", (), id="2000 is not a time"),
    ],
)
def test_a_tag_is_judged_by_our_time_and_that_of_a_replay_by_the_reported_one(
    started_at: datetime, received_at: datetime, status: str, flags: tuple[str, ...]
) -> None:
    tags = {TAG_KEY: replace(TAG, expires_at=NOW + 90 * MINUTE)}
    [judged] = judge(replace(START, started_at=started_at, received_at=received_at), tags=tags)
    assert judged.id_tag_info["status"] == status
    assert judged.flags == flags


def test_a_replay_keeps_the_flags_that_it_came_with() -> None:
    [judged] = judge(replace(START, received_at=NOW + HOUR, flags=("odd",)))
    assert judged.flags == ("odd", "replayed")


@pytest.mark.parametrize(
    ("running", "status"),
    [
        pytest.param((), "Accepted", id="nothing runs"),
        pytest.param((RunningTransaction(1, "tag-1", 8, 1, NOW),), "ConcurrentTx", id="at another place"),
        pytest.param((RunningTransaction(1, "tag-1", 7, 2, NOW - HOUR),), "ConcurrentTx", id="next to it"),
        pytest.param((RunningTransaction(1, "tag-1", 7, 1, NOW - HOUR),), "Accepted", id="before it"),
        pytest.param((RunningTransaction(1, "tag-1", 7, 1, NOW),), "ConcurrentTx", id="at the same time"),
        pytest.param((RunningTransaction(1, "tag-2", 8, 1, NOW),), "Accepted", id="on another tag"),
        pytest.param((RunningTransaction(2, "tag-1", 8, 1, NOW),), "Accepted", id="of another tenant"),
    ],
)
def test_a_limited_tag_counts_what_runs_and_is_not_over(
    running: tuple[RunningTransaction, ...], status: str
) -> None:
    tags = {TAG_KEY: replace(TAG, max_active_transactions=1)}
    assert statuses(judge(START, tags=tags, running=running)) == [status]


def test_the_starts_of_one_batch_share_the_limit_of_their_tag() -> None:
    starts = [replace(START, charge_point_id=number) for number in range(4)]
    limited = {TAG_KEY: replace(TAG, max_active_transactions=2)}
    assert statuses(judge(*starts, tags=limited)) == ["Accepted"] * 2 + ["ConcurrentTx"] * 2
    assert statuses(judge(*starts)) == ["Accepted"] * 4


def test_a_refused_start_does_not_count_for_the_limit() -> None:
    tags = {TAG_KEY: replace(TAG, max_active_transactions=1, expires_at=NOW + MINUTE)}
    late = replace(START, charge_point_id=8, started_at=NOW + HOUR, received_at=NOW + HOUR)
    assert statuses(judge(late, START, tags=tags)) == ["Expired", "Accepted"]


# Remote starts

COMMAND = RemoteStart(UUID(int=1), 1, 7, "tag-1", "1", NOW - MINUTE)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        pytest.param({}, True, id="the same tag and connector"),
        pytest.param({"id_tag": "TAG-1"}, True, id="tag in another case"),
        pytest.param({"connector_id": None}, True, id="any connector"),
        pytest.param({"connector_id": "2"}, False, id="another connector"),
        pytest.param({"id_tag": "TAG-2"}, False, id="another tag"),
        pytest.param({"id_tag": None}, False, id="no tag"),
        pytest.param({"charge_point_id": 8}, False, id="another charge point"),
        pytest.param({"tenant_id": 2}, False, id="another tenant"),
        pytest.param({"created_at": NOW + SECOND - WINDOW}, True, id="just in the window"),
        pytest.param({"created_at": NOW - WINDOW}, False, id="too long ago"),
        pytest.param({"created_at": NOW + HOUR}, True, id="a charge point whose clock is behind"),
    ],
)
def test_a_remote_start_fits_by_place_tag_and_age(changes: dict[str, Any], fits: bool) -> None:
    [judged] = judge(START)
    assert rules.asked_for(replace(COMMAND, **changes), judged, WINDOW) is fits


@pytest.mark.parametrize(("minutes", "fits"), [(5, True), (6, False)])
def test_a_replayed_start_is_not_the_effect_of_a_command_after_it(minutes: int, fits: bool) -> None:
    received_at = NOW + 10 * MINUTE
    [judged] = judge(replace(START, received_at=received_at))
    assert judged.flags == ("replayed",)
    command = replace(COMMAND, created_at=NOW + minutes * MINUTE)
    assert rules.asked_for(command, judged, WINDOW) is fits


def test_each_start_takes_the_newest_remote_start_that_is_left() -> None:
    starts = judge(*(replace(START, meter_start_wh=number) for number in (1, 2, 3)))
    older = replace(COMMAND, id=UUID(int=9), created_at=NOW - 2 * MINUTE)
    matched = rules.match_remote_starts(starts, [older, COMMAND], WINDOW)
    assert [matched.get(item.key) for item in starts] == [COMMAND.id, older.id, None]


def test_of_two_remote_starts_of_one_moment_the_larger_id_counts_as_newer() -> None:
    [judged] = judge(START)
    other = replace(COMMAND, id=UUID(int=2))
    assert rules.match_remote_starts([judged], [other, COMMAND], WINDOW) == {judged.key: other.id}


def test_without_remote_starts_nothing_is_matched() -> None:
    assert rules.match_remote_starts(judge(START), [], WINDOW) == {}


# Which transaction a stop is about


@pytest.mark.parametrize(("number", "names"), [(1, True), (2**31, True), (0, False), (-1, False)])
def test_a_transaction_id_is_valid_if_it_is_positive(number: int, names: bool) -> None:
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
        pytest.param({"started_at": NOW + HOUR + SECOND}, False, id="started after the stop"),
        pytest.param({"id_tag_key": "other"}, False, id="another tag"),
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


def test_a_stop_without_valid_id_and_without_tag_closes_the_newest_open_transaction() -> None:
    newer = OPEN._replace(id=43, id_tag_key="other", started_at=NOW + MINUTE)
    newest = newer._replace(id=44)
    stop = replace(STOP, transaction_id=0)
    assert rules.transaction_of(stop, [newer, newest, OPEN]) == newest


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


def test_what_is_kept_of_a_stop_is_its_message_and_what_matching_needs() -> None:
    assert rules.stop_payload(STOP) == {"vendor": "as it came", "transactionId": 42, "meterStop": 9000}
    stop = replace(STOP, reason="Reboot", id_tag="T", flags=("odd",))
    kept = {"reason": "Reboot", "idTag": "T", "flags": ["odd"]}
    assert rules.stop_payload(stop) == {**rules.stop_payload(STOP), **kept}


# Stops that come before their start

WAITING = WaitingStop(3, 1, 7, -1, NOW + HOUR, ENDING._replace(id_tag="TAG-1"), {"kept": True})


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        pytest.param({}, True, id="the same tag"),
        pytest.param({"ending": ENDING}, True, id="no tag"),
        pytest.param({"named_id": 0}, True, id="id 0"),
        pytest.param({"ending": ENDING._replace(stopped_at=NOW, meter_stop_wh=1000)}, True, id="at once"),
        pytest.param({"named_id": 1}, False, id="a valid id"),
        pytest.param({"ending": ENDING._replace(stopped_at=NOW - SECOND)}, False, id="before the start"),
        pytest.param({"ending": ENDING._replace(meter_stop_wh=999)}, False, id="less on the register"),
        pytest.param({"ending": ENDING._replace(id_tag="OTHER")}, False, id="another tag"),
        pytest.param({"charge_point_id": 8}, False, id="another charge point"),
        pytest.param({"tenant_id": 2}, False, id="another tenant"),
    ],
)
def test_a_waiting_stop_may_have_ended_a_start_that_fits(changes: dict[str, Any], fits: bool) -> None:
    assert rules.may_have_ended(replace(WAITING, **changes), START) is fits


def test_a_late_start_is_closed_by_the_first_waiting_stop_that_fits_and_each_is_taken_once() -> None:
    later = replace(WAITING, id=4)
    meters = (1000, 1001, 1002)
    starts = {
        TransactionKey(1, number): replace(START, meter_start_wh=wh) for number, wh in enumerate(meters, 50)
    }
    joined = rules.match_waiting_stops(starts, [WAITING, later])
    assert [(item.stop.id, item.closing.transaction.id) for item in joined] == [(3, 50), (4, 51)]


def test_a_joined_stop_closes_as_it_came_and_without_answer() -> None:
    [joined] = rules.match_waiting_stops({TransactionKey(1, 50): replace(START, connector_id=2)}, [WAITING])
    closing = joined.closing
    assert closing.transaction == StoppableTransaction(50, 1, 7, 2, "tag-1", NOW, 1000)
    assert (closing.ending, closing.received_at) == (WAITING.ending, WAITING.received_at)
    assert (closing.id_tag_info, closing.raw) == (None, {"kept": True})
    assert closing.flags == ("stop_came_first",)


def test_a_joined_stop_keeps_the_flags_that_it_waited_with() -> None:
    waiting = replace(WAITING, ending=ENDING._replace(flags=(TIME_UNREADABLE,)))
    [joined] = rules.match_waiting_stops({TransactionKey(1, 50): START}, [waiting])
    assert joined.closing.flags == (TIME_UNREADABLE, "stop_came_first")
