"""The plan of updates: whatever a charge point answers, it ends with exactly the list, by few messages."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.charge_points.records import ChargePointRecord
from app.id_tags.records import IdTagRecord
from app.local_lists.records import LARGEST_VERSION, Answer, Believed, ListLimits, ListUpdate, LocalListRecord
from app.local_lists.rules import (
    LONGEST_LIST,
    AskVersion,
    Nothing,
    Send,
    TooLong,
    after_answer,
    after_report,
    applied,
    desired_list,
    differences,
    final_version,
    limits_from,
    list_for,
    plan,
    retry_after,
    state_of,
    update_of,
)

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def entries(*names: str, status: str = "Accepted") -> dict[str, Any]:
    return {name.lower(): {"idTag": name, "idTagInfo": {"status": status}} for name in names}


class Charger:
    """A charge point that keeps a list as the standard says."""

    def __init__(self, version: int, content: dict[str, Any]) -> None:
        self.version, self.content = version, content

    def take(self, update: ListUpdate, outcome: str) -> Answer:
        assert 0 < update.version <= LARGEST_VERSION
        keys = [entry["idTag"].lower() for entry in update.entries]
        assert len(keys) == len(set(keys))
        assert not update.is_full or all("idTagInfo" in entry for entry in update.entries)
        if outcome in ("Failed", "lost_before"):
            return "Failed" if outcome == "Failed" else "lost"
        if not update.is_full and update.version <= self.version:
            return "VersionMismatch"
        self.content = dict(applied(self.content, update) or {})
        self.version = update.version
        return "lost" if outcome == "lost_after" else "Accepted"


contents = st.dictionaries(
    st.sampled_from([f"t{number}" for number in range(12)]), st.sampled_from(["Accepted", "Blocked"])
).map(lambda tags: {key: entries(key, status=status)[key] for key, status in tags.items()})
outcomes = st.lists(
    st.sampled_from(["Accepted", "Failed", "lost_before", "lost_after", "foreign"]), max_size=12
)


def run(
    desired: dict[str, Any], charger: Charger, believed: Believed, limits: ListLimits, script: list[str]
) -> list[ListUpdate]:
    """Act until there is nothing to do. script: what happens to the first updates."""
    sent: list[ListUpdate] = []
    left = list(script)
    for _ in range(300):
        match plan(desired, believed, limits):
            case AskVersion():
                believed = after_report(believed, charger.version)
            case Send(update):
                outcome = left.pop(0) if left else "Accepted"
                if outcome == "foreign":
                    # Another system replaces the list before the update arrives.
                    charger.version, charger.content = charger.version + 7, entries("X")
                    outcome = "lost_before"
                assert len(update.entries) <= limits.per_message
                sent.append(update)
                believed = after_answer(believed, update, charger.take(update, outcome))
            case Nothing():
                assert believed.entries == desired
                return sent
            case other:
                raise AssertionError(other)
    raise AssertionError("it never ends")


@settings(max_examples=400, deadline=None)
@given(contents, contents, st.integers(0, 5), st.integers(1, 5), outcomes)
def test_whatever_happens_the_charge_point_ends_with_the_list(
    desired: dict[str, Any], before: dict[str, Any], version: int, size: int, script: list[str]
) -> None:
    charger = Charger(max(1, version) if before else 0, before)
    run(desired, charger, Believed(), ListLimits(size), script)
    assert charger.content == desired


@settings(max_examples=300, deadline=None)
@given(contents, contents, st.integers(1, 5))
def test_a_known_list_is_changed_by_the_fewest_messages(
    desired: dict[str, Any], before: dict[str, Any], size: int
) -> None:
    charger = Charger(4, before)
    believed = Believed(version=4, entries=before, highest_version=4, verify=False)
    sent = run(desired, charger, believed, ListLimits(size), [])
    changed = len({key for key in desired.keys() | before.keys() if desired.get(key) != before.get(key)})
    fewest = min(-(-changed // size), max(1, -(-len(desired) // size)))
    assert len(sent) == fewest
    assert charger.content == desired
    assert [update.version for update in sent] == list(range(5, 5 + fewest))
    assert all(not update.is_full for update in sent[1:])


@settings(max_examples=200, deadline=None)
@given(contents, contents, st.integers(1, 5))
def test_a_list_never_grows_beyond_the_longer_of_both(
    desired: dict[str, Any], before: dict[str, Any], size: int
) -> None:
    have, believed = before, Believed(version=4, entries=before, highest_version=4, verify=False)
    while isinstance(action := plan(desired, believed, ListLimits(size, 12)), Send):
        have = dict(applied(have, action.update) or {})
        assert len(have) <= max(len(before), len(desired))
        believed = after_answer(believed, action.update, "Accepted")


def test_an_unknown_list_is_asked_for_first_and_replaced() -> None:
    assert plan(entries("A"), Believed(), ListLimits(10)) == AskVersion()
    known = after_report(Believed(), 41)
    assert (known.entries, known.drifted) == (None, False)
    action = plan(entries("A"), known, ListLimits(10))
    assert isinstance(action, Send)
    assert action.update.payload == {
        "listVersion": 42,
        "updateType": "Full",
        "localAuthorizationList": [{"idTag": "A", "idTagInfo": {"status": "Accepted"}}],
    }


def test_an_empty_list_is_a_full_update_without_entries() -> None:
    action = plan({}, after_report(Believed(), 41), ListLimits(10))
    assert isinstance(action, Send)
    assert (action.update.is_full, action.update.entries) == (True, ())
    assert plan({}, after_report(Believed(), 0), ListLimits(10)) == Nothing()


def test_a_list_that_is_too_long_is_not_sent() -> None:
    known = after_report(Believed(), 0)
    assert plan(entries("A", "B"), known, ListLimits(10, 1)) == TooLong(2, 1)


@pytest.mark.parametrize("answer", ["Failed", "VersionMismatch", "refused"])
def test_a_refused_differential_is_followed_by_a_full_update(answer: Answer) -> None:
    known = Believed(version=3, entries=entries("A", "B", "C"), highest_version=3, verify=False)
    first = plan(entries("A", "B"), known, ListLimits(1))
    assert isinstance(first, Send)
    assert not first.update.is_full
    after = after_answer(known, first.update, answer)
    assert after.failures == 0
    second = plan(entries("A", "B"), after, ListLimits(5))
    assert isinstance(second, Send)
    assert (second.update.is_full, second.update.version) == (True, 5)
    failed = after_answer(after, second.update, answer)
    assert (failed.failures, failed.verify, failed.status) == (1, True, answer)


@pytest.mark.parametrize("version", [-1, -5])
def test_a_charge_point_without_a_list_is_left_alone(version: int) -> None:
    known = after_report(Believed(), version)
    assert not known.supported
    assert plan(entries("A"), known, ListLimits(10)) == Nothing()
    refused = after_answer(Believed(), ListUpdate(1, True, ()), "NotSupported")
    assert plan(entries("A"), refused, ListLimits(10)) == Nothing()


def test_a_version_that_is_not_ours_is_drift() -> None:
    known = Believed(version=3, entries=entries("A"), highest_version=3, verify=True)
    assert not after_report(known, 3).drifted
    foreign = after_report(known, 9)
    assert (foreign.drifted, foreign.entries) == (True, None)
    assert state_of(entries("A"), foreign, sync=True, too_long=False) == "drifted"
    emptied = after_report(known, 0)
    assert (emptied.drifted, emptied.entries) == (True, {})


def test_a_lost_answer_is_settled_by_the_version() -> None:
    known = Believed(version=3, entries=entries("A"), highest_version=3, verify=False)
    update = ListUpdate(4, False, tuple(entries("B").values()))
    doubtful = after_answer(known, update, "lost")
    assert after_report(doubtful, 4).entries == entries("A", "B")
    assert after_report(doubtful, 3).entries == entries("A")
    assert after_report(doubtful, 77).entries is None


def test_a_differential_of_an_operator_does_not_hide_a_doubt() -> None:
    known = Believed(version=3, entries=entries("A"), highest_version=3, verify=False)
    lost = after_answer(known, ListUpdate(4, False, tuple(entries("B").values())), "lost")
    by_hand = ListUpdate(9, False, tuple(entries("C").values()))
    # Whether the charge point has B is still not known, so the whole list must follow.
    unknown = after_answer(lost, by_hand, "Accepted")
    assert (unknown.version, unknown.entries, unknown.doubt) == (9, None, None)
    assert after_answer(lost, replace(by_hand, is_full=True), "Accepted").entries == entries("C")


def test_the_same_version_again_leaves_the_doubt_open() -> None:
    known = Believed(version=1, entries=entries("A"), highest_version=1, verify=False)
    doubtful = after_answer(known, ListUpdate(1, True, tuple(entries("B").values())), "lost")
    assert after_report(doubtful, 1).entries is None
    twice = after_answer(doubtful, ListUpdate(1, True, ()), "lost")
    assert (twice.version, twice.entries, twice.doubt) == (None, None, None)


def test_versions_begin_again_with_a_full_update() -> None:
    known = Believed(LARGEST_VERSION, entries("A", "B"), LARGEST_VERSION, verify=False)
    action = plan(entries("A", "B", "C"), known, ListLimits(10))
    assert isinstance(action, Send)
    assert (action.update.version, action.update.is_full) == (1, True)
    assert after_answer(known, action.update, "Accepted").highest_version == 1


def test_a_command_that_was_not_sent_changes_nothing() -> None:
    known = Believed(version=3, entries={}, highest_version=3)
    assert after_answer(known, ListUpdate(4, True, ()), "not_sent") == known


def tag(name: str, **changes: Any) -> IdTagRecord:
    fields: dict[str, Any] = {
        "tenant_id": 1,
        "id_tag": name,
        "id_tag_key": name.lower(),
        "status": "Accepted",
        "expires_at": None,
        "parent_id_tag": None,
        "max_active_transactions": None,
        "note": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return IdTagRecord(**(fields | changes))


def listed(name: str = "site", **changes: Any) -> LocalListRecord:
    fields: dict[str, Any] = {
        "note": None,
        "enabled": True,
        "all_id_tags": True,
        "groups": (),
        "id_tags": (),
        "selector": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return LocalListRecord(name=name, **(fields | changes))


def test_entries_are_judged_as_authorize_would() -> None:
    tags = [
        tag("Plain", expires_at=NOW + timedelta(days=1), parent_id_tag="FLEET"),
        tag("Gone", expires_at=NOW),
        tag("Elsewhere", charge_point_ids=(8,)),
        tag("Sibling", parent_id_tag="FLEET", parent_status="Blocked"),
        tag("X" * 21),
    ]
    desired = desired_list(listed(), tags, 7, NOW)
    infos = {entry["idTag"]: entry["idTagInfo"] for entry in desired.entries.values()}
    assert infos["Plain"] == {
        "status": "Accepted",
        "expiryDate": "2026-05-05T12:00:00.000Z",
        "parentIdTag": "FLEET",
    }
    assert [infos[name]["status"] for name in ("Gone", "Elsewhere", "Sibling")] == [
        "Expired",
        "Blocked",
        "Blocked",
    ]
    assert desired.left_out == ("X" * 21,)


def point(identity: str, **labels: str) -> ChargePointRecord:
    record = object.__new__(ChargePointRecord)
    facts = {field.name: None for field in fields(ChargePointRecord)}
    for name, value in {**facts, "identity": identity, "labels": labels}.items():
        object.__setattr__(record, name, value)
    return record


def test_a_list_that_names_the_charge_point_comes_before_others() -> None:
    seven, eight = point("CP7", site="north"), point("CP8")
    for_all, named = listed("a", selector={}), listed("c", selector={"identities": ["CP7"]})
    north, off = listed("b", selector={"labels": ["site"]}), listed("d", selector={}, enabled=False)
    assert list_for([for_all, north, named], seven) == named
    assert list_for([for_all, north], seven) == north
    assert list_for([for_all, north, named], eight) == for_all
    assert list_for([named, off, listed("e")], eight) is None


def test_differences_name_each_entry() -> None:
    have = {**entries("A", "B"), **entries("C", status="Blocked")}
    believed = Believed(version=3, entries=have, verify=False)
    found = differences(entries("B", "C", "D"), believed)
    assert [(one.id_tag, one.kind) for one in found] == [("D", "missing"), ("C", "changed"), ("A", "extra")]


def test_the_version_at_the_end_counts_all_messages() -> None:
    known = after_report(Believed(), 9)
    wanted = entries("A", "B", "C")
    assert final_version(plan(wanted, known, ListLimits(2)), known) == 11
    assert final_version(AskVersion(), known) is None
    assert final_version(Nothing(), known) == 9


def test_limits_come_from_the_configuration() -> None:
    values = {"sendlocallistmaxlength": "25", "localauthlistmaxlength": " 500 "}
    assert limits_from(values, 20) == (ListLimits(25, 500), True)
    assert limits_from({"sendlocallistmaxlength": "many"}, 20) == (ListLimits(20, LONGEST_LIST), False)
    assert limits_from({"sendlocallistmaxlength": "0"}, 20) == (ListLimits(20, LONGEST_LIST), False)


def test_retries_come_later_and_later() -> None:
    assert [retry_after(number).total_seconds() for number in (1, 2, 3, 20)] == [60, 120, 240, 21600]


def test_a_command_of_an_operator_is_read_as_an_update() -> None:
    payload = {"listVersion": 1, "updateType": "Differential", "localAuthorizationList": [{"idTag": "A"}]}
    assert update_of(payload) == ListUpdate(1, False, ({"idTag": "A"},))
    assert update_of({"listVersion": 1, "updateType": "Full"}) == ListUpdate(1, True, ())
