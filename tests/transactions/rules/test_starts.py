"""The rules of starts, without a database."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from app.commands.records import RemoteStart
from app.id_tags.records import IdTagKey, IdTagRecord
from app.transactions.records import (
    TIME_UNREADABLE,
    UNDATED,
    JudgedStart,
    RunningTransaction,
    StartKey,
    StoredStart,
    TransactionStart,
)
from app.transactions.rules import starts as rules
from tests.support.session_records import HOUR, MINUTE, NOW, SECOND, START, TAG, TAG_KEY

WINDOW = 5 * MINUTE


def judge(
    *starts: TransactionStart,
    tags: dict[IdTagKey, IdTagRecord] | None = None,
    running: tuple[RunningTransaction, ...] = (),
) -> list[JudgedStart]:
    known = {TAG_KEY: TAG} if tags is None else tags
    facts = rules.TagFacts(known, running=running)
    return rules.judge_starts({rules.start_key(start): start for start in starts}, {}, facts)


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


STORED = StoredStart(42, {"status": "Accepted"}, 0, "m1", False, False, 1)


@pytest.mark.parametrize("flag", sorted(UNDATED))
@pytest.mark.parametrize(
    ("message_id", "epoch", "is_stopped", "is_named", "repeats"),
    [
        ("m1", 1, False, False, True),
        ("m1", 2, True, False, True),
        ("m1", 1, True, False, False),
        ("m1", 2, True, True, False),
        ("m2", 2, False, False, True),
        ("m2", 2, True, False, False),
        ("m2", 2, True, True, False),
    ],
)
def test_a_start_whose_time_says_nothing_is_new_when_the_one_before_it_was_stopped(
    flag: str, message_id: str, epoch: int, is_stopped: bool, is_named: bool, repeats: bool
) -> None:
    start = replace(START, flags=(flag,), message_id=message_id, epoch=epoch)
    stored = STORED._replace(is_stopped=is_stopped, is_named=is_named)
    assert rules.is_repetition(start, stored) is repeats


@pytest.mark.parametrize("is_stopped", [True, False])
def test_a_start_with_a_time_is_one_whenever_it_comes_again(is_stopped: bool) -> None:
    stored = STORED._replace(is_stopped=is_stopped, is_named=is_stopped)
    assert rules.is_repetition(replace(START, message_id="other"), stored)


@pytest.mark.parametrize(
    ("request_", "flags"),
    [
        ({}, ("connector_missing", "tag_missing", "meter_missing")),
        ({"connectorId": 0, "idTag": "", "meterStart": 0}, ()),
        ({"connectorId": 1, "idTag": "T"}, ("meter_missing",)),
    ],
)
def test_what_a_start_does_not_tell_is_flagged(request_: dict[str, Any], flags: tuple[str, ...]) -> None:
    assert rules.missing_flags(request_) == flags


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
        pytest.param((RunningTransaction(1, "tag-1", 8, 1),), "ConcurrentTx", id="at another place"),
        pytest.param((RunningTransaction(1, "tag-1", 7, 2),), "ConcurrentTx", id="next to it"),
        pytest.param((RunningTransaction(1, "tag-1", 7, 1),), "Accepted", id="before it"),
        pytest.param((RunningTransaction(1, "tag-2", 8, 1),), "Accepted", id="on another tag"),
        pytest.param((RunningTransaction(2, "tag-1", 8, 1),), "Accepted", id="of another tenant"),
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


FLEET = IdTagKey(1, "fleet")
MEMBER = replace(TAG, parent_id_tag="Fleet", group_limit=2)


def judge_in_group(*starts: TransactionStart, **facts: Any) -> list[str]:
    members = {IdTagKey(1, f"tag-{number}"): MEMBER for number in range(4)}
    found = rules.TagFacts(**{"tags": members, **facts})
    return statuses(rules.judge_starts({rules.start_key(start): start for start in starts}, {}, found))


@pytest.mark.parametrize(
    ("running", "status"),
    [
        pytest.param((), "Accepted", id="nothing runs"),
        pytest.param((RunningTransaction(*FLEET, 8, 1),), "Accepted", id="one at another place"),
        pytest.param((RunningTransaction(*FLEET, 8, 1),) * 2, "ConcurrentTx", id="two at other places"),
        pytest.param(
            (RunningTransaction(*FLEET, 8, 1), RunningTransaction(*FLEET, 7, 1)), "Accepted", id="one is over"
        ),
        pytest.param((RunningTransaction(2, "fleet", 8, 1),) * 2, "Accepted", id="of another tenant"),
        pytest.param((RunningTransaction(1, "pool", 8, 1),) * 2, "Accepted", id="of another group"),
    ],
)
def test_a_limited_group_counts_what_runs_on_all_its_tags(
    running: tuple[RunningTransaction, ...], status: str
) -> None:
    assert judge_in_group(START, running_in_groups=running) == [status]


def test_the_starts_of_one_batch_share_the_limit_of_their_group() -> None:
    starts = [replace(START, charge_point_id=number, id_tag=f"TAG-{number}") for number in range(4)]
    assert judge_in_group(*starts) == ["Accepted"] * 2 + ["ConcurrentTx"] * 2


def test_a_webhook_decides_on_tag_and_group_and_limits_hold_all_the_same() -> None:
    accepted = replace(START, external_info={"status": "Accepted", "parentIdTag": "POOL"})
    full = (RunningTransaction(1, "pool", 8, 1),)
    assert judge_in_group(accepted, tags={}, running_in_groups=full) == ["Accepted"], "it has no limit"
    pool = {IdTagKey(1, "pool"): 1}
    assert judge_in_group(accepted, tags={}, running_in_groups=full, group_limits=pool) == ["ConcurrentTx"]
    blocked = {TAG_KEY: replace(TAG, status="Blocked", max_active_transactions=0)}
    assert judge_in_group(accepted, tags=blocked) == ["ConcurrentTx"]
    refused = replace(START, external_info={"status": "Blocked", "expiryDate": "2026-01-01T00:00:00.000Z"})
    found = rules.judge_starts({rules.start_key(refused): refused}, {}, rules.TagFacts({TAG_KEY: TAG}))
    assert found[0].id_tag_info == refused.external_info


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
