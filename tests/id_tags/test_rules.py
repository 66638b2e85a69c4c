"""The rules of id tags, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.id_tags.records import Active, IdTagKey, IdTagRecord, Presented, TagLimits, UnknownTagPolicy
from app.id_tags.rules import fold_id_tag, id_tag_info, limits_of, with_limits

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TAG = IdTagRecord(1, "TAG-1", "tag-1", "Accepted", None, None, None, None, NOW, NOW)
_HOUR = timedelta(hours=1)
_EXPIRY = {"expiryDate": "2026-03-01T13:00:00.000Z"}


def active_of(number: int | None) -> Active | None:
    return None if number is None else Active(number)


@pytest.mark.parametrize(
    "id_tag",
    ["B4A63CDF", "b4a63cdf", "B4a63CdF", "B4A63CDF ", "B4A63CDF\0\0", "B4A63CDF \0\r\n", "B4A63CDF\ufffd"],
)
def test_tags_are_compared_without_regard_to_case_and_padding(id_tag: str) -> None:
    assert fold_id_tag(id_tag) == "b4a63cdf"


@pytest.mark.parametrize(
    ("changes", "at", "active", "info"),
    [
        pytest.param({}, NOW, None, {"status": "Accepted"}, id="a question"),
        pytest.param({}, NOW, 1000, {"status": "Accepted"}, id="no limit"),
        pytest.param({"status": "Blocked"}, NOW, 0, {"status": "Blocked"}, id="blocked"),
        pytest.param({"status": "Invalid"}, NOW, 0, {"status": "Invalid"}, id="invalid"),
        pytest.param({"status": "Expired"}, NOW, 0, {"status": "Expired"}, id="expired by hand"),
        pytest.param(
            {"parent_id_tag": "GROUP"}, NOW, None, {"status": "Accepted", "parentIdTag": "GROUP"}, id="group"
        ),
        pytest.param(
            {"status": "Blocked", "parent_id_tag": "GROUP", "expires_at": NOW + _HOUR},
            NOW,
            None,
            {"status": "Blocked", "parentIdTag": "GROUP", **_EXPIRY},
            id="a refusal names group and expiry too",
        ),
        pytest.param(
            {"expires_at": NOW + _HOUR}, NOW, None, {"status": "Accepted", **_EXPIRY}, id="before its end"
        ),
        pytest.param(
            {"expires_at": NOW + _HOUR}, NOW + _HOUR, None, {"status": "Expired", **_EXPIRY}, id="at its end"
        ),
        pytest.param(
            {"status": "Blocked", "expires_at": NOW + _HOUR},
            NOW + 2 * _HOUR,
            None,
            {"status": "Blocked", **_EXPIRY},
            id="blocked outweighs expired",
        ),
        pytest.param(
            {"max_active_transactions": 1}, NOW, None, {"status": "Accepted"}, id="a question counts nothing"
        ),
        pytest.param({"max_active_transactions": 2}, NOW, 1, {"status": "Accepted"}, id="below its limit"),
        pytest.param({"max_active_transactions": 2}, NOW, 2, {"status": "ConcurrentTx"}, id="at its limit"),
        pytest.param({"max_active_transactions": 0}, NOW, 0, {"status": "ConcurrentTx"}, id="limit of none"),
        pytest.param(
            {"max_active_transactions": 1, "expires_at": NOW + _HOUR},
            NOW + _HOUR,
            1,
            {"status": "Expired", **_EXPIRY},
            id="expired outweighs its limit",
        ),
    ],
)
def test_a_tag_is_judged_by_status_expiry_and_limit(
    changes: dict[str, Any], at: datetime, active: int | None, info: dict[str, str]
) -> None:
    assert id_tag_info(replace(TAG, **changes), at, active_of(active)) == info


@pytest.mark.parametrize("active", [None, 0, 7])
def test_an_unknown_tag_is_invalid(active: int | None) -> None:
    assert id_tag_info(None, NOW, active_of(active)) == {"status": "Invalid"}


@pytest.mark.parametrize(
    ("id_tag", "unknown_id_tags", "status"),
    [
        ("UNKNOWN", "refuse", "Invalid"),
        ("UNKNOWN", "accept", "Accepted"),
        ("UNKNOWN", "free_charging", "Accepted"),
        ("", "refuse", "Invalid"),
        ("", "accept", "Invalid"),
        ("  \0", "accept", "Invalid"),
        ("", "free_charging", "Accepted"),
        ("  \0", "free_charging", "Accepted"),
    ],
)
def test_a_policy_decides_on_tags_that_are_not_stored(
    id_tag: str, unknown_id_tags: UnknownTagPolicy, status: str
) -> None:
    presented = Presented(7, fold_id_tag(id_tag), unknown_id_tags)
    for active in (None, 0, 7):
        assert id_tag_info(None, NOW, active_of(active), presented) == {"status": status}


@pytest.mark.parametrize("unknown_id_tags", ["refuse", "accept", "free_charging"])
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "Accepted"),
        ({"status": "Blocked"}, "Blocked"),
        ({"expires_at": NOW}, "Expired"),
        ({"charge_point_ids": (7, 8)}, "Accepted"),
        ({"charge_point_ids": (8,)}, "Blocked"),
        ({"charge_point_ids": ()}, "Blocked"),
        ({"charge_point_ids": (8,), "status": "Invalid"}, "Invalid"),
        ({"parent_status": "Accepted", "parent_expires_at": NOW + _HOUR}, "Accepted"),
        ({"parent_status": "Blocked"}, "Blocked"),
        ({"parent_status": "Invalid"}, "Invalid"),
        ({"parent_status": "Accepted", "parent_expires_at": NOW}, "Expired"),
        ({"parent_status": "Blocked", "status": "Expired"}, "Expired"),
    ],
)
def test_a_stored_tag_is_judged_by_itself_its_group_and_its_places(
    changes: dict[str, Any], status: str, unknown_id_tags: UnknownTagPolicy
) -> None:
    info = id_tag_info(replace(TAG, **changes), NOW, Active(), Presented(7, "tag-1", unknown_id_tags))
    assert info["status"] == status


IN_GROUP = replace(TAG, parent_id_tag="Fleet ")


@pytest.mark.parametrize(
    ("tag", "limits"),
    [
        (None, TagLimits()),
        (TAG, TagLimits()),
        (replace(TAG, max_active_transactions=0), TagLimits(0)),
        (replace(TAG, group_limit=3), TagLimits()),
        (IN_GROUP, TagLimits(None, IdTagKey(1, "fleet"))),
        (replace(IN_GROUP, group_limit=3), TagLimits(None, IdTagKey(1, "fleet"), 3)),
        (replace(IN_GROUP, max_active_transactions_of_group=9), TagLimits(None, IdTagKey(1, "fleet"))),
    ],
)
def test_a_tag_has_its_own_limit_and_that_of_its_group(tag: IdTagRecord | None, limits: TagLimits) -> None:
    assert limits_of(tag) == limits


@pytest.mark.parametrize(
    ("limits", "active", "status"),
    [
        (TagLimits(), Active(100, 100), "Accepted"),
        (TagLimits(2), Active(1, 100), "Accepted"),
        (TagLimits(2), Active(2, 0), "ConcurrentTx"),
        (TagLimits(None, IdTagKey(1, "fleet"), 3), Active(100, 2), "Accepted"),
        (TagLimits(None, IdTagKey(1, "fleet"), 3), Active(0, 3), "ConcurrentTx"),
        (TagLimits(2, IdTagKey(1, "fleet"), 3), Active(2, 2), "ConcurrentTx"),
        (TagLimits(2, IdTagKey(1, "fleet"), 0), Active(0, 0), "ConcurrentTx"),
    ],
)
def test_a_start_is_refused_at_the_limit_of_its_tag_or_group(
    limits: TagLimits, active: Active, status: str
) -> None:
    info = {"status": "Accepted", "parentIdTag": "FLEET"}
    assert with_limits(info, limits, active) == {**info, "status": status}
    assert with_limits({"status": "Blocked"}, limits, active) == {"status": "Blocked"}


def test_a_question_counts_nothing_of_a_group() -> None:
    full = replace(IN_GROUP, group_limit=0)
    assert id_tag_info(full, NOW)["status"] == "Accepted"
    assert id_tag_info(full, NOW, Active())["status"] == "ConcurrentTx"


def test_a_long_tag_is_compared_as_a_whole_by_a_short_key() -> None:
    long = "ä" * 5000
    keys = {fold_id_tag(tag) for tag in (long, long.upper(), long + "\0", long + "x", long[:-1], "ä" * 256)}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {255}
    assert fold_id_tag("A" * 255) == "a" * 255
