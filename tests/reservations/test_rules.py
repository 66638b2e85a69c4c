"""Each decision about a reservation: answers, starts, statuses, clocks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reservations.records import ReservationRecord, SeenStart, SeenStatus
from app.reservations.rules import (
    CONFLICTS_LIMIT,
    LATE_AFTER,
    LATE_EVERY,
    Verdict,
    after_starts,
    after_statuses,
    answered,
    began_at,
    cancelled,
    checked_again,
    expired,
    meaning_of,
    verdict_of,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def reservation(**changes: Any) -> ReservationRecord:
    fields: dict[str, Any] = {
        "id": 1,
        "charge_point_id": 7,
        "reservation_id": 5,
        "connector_id": 1,
        "id_tag": "TAG",
        "id_tag_key": "tag",
        "parent_id_tag": "FLEET",
        "parent_key": "fleet",
        "expires_at": NOON + 60 * MINUTE,
        "state": "reserved",
        "status": "Accepted",
        "reason": None,
        "origin": "reservation",
        "issued_by": "key:1",
        "command_id": None,
        "transaction_id": None,
        "conflicts": (),
        "requested_at": NOON,
        "reserved_at": NOON,
        "ended_at": None,
        "check_at": None,
    }
    return ReservationRecord(**(fields | changes))


def started(after: float = 1, **changes: Any) -> SeenStart:
    """Return a start. after: minutes after the reservation."""
    at = NOON + after * MINUTE
    fields: dict[str, Any] = {
        "transaction_id": 9,
        "connector_id": 1,
        "id_tag_key": "tag",
        "parent_key": None,
        "reservation_id": None,
        "started_at": at,
        "received_at": at,
        "clock_skew_s": None,
    }
    return SeenStart(**(fields | changes))


@pytest.mark.parametrize(
    ("state", "status", "facts", "verdict"),
    [
        ("accepted", "Accepted", {}, Verdict("reserved", "Accepted")),
        ("rejected", "Occupied", {}, Verdict("rejected", "Occupied", "occupied")),
        ("call_error", None, {"error": "NotSupported"}, Verdict("rejected", None, "NotSupported")),
        (
            "call_error",
            None,
            {"error": "unreadable_answer", "in_doubt": True},
            Verdict("unknown", None, "unreadable_answer"),
        ),
        ("timed_out", None, {}, Verdict("unknown", None, "no_answer")),
        ("connection_lost", None, {}, Verdict("unknown", None, "no_answer")),
        ("offline", None, {}, Verdict("rejected", None, "offline")),
        ("expired", None, {}, Verdict("rejected", None, "not_sent")),
        ("cancelled", None, {}, Verdict("rejected", None, "not_sent")),
    ],
)
def test_the_end_of_a_reserve_now(
    state: str, status: str | None, facts: dict[str, Any], verdict: Verdict
) -> None:
    assert verdict_of(state, status, **facts) == verdict


def test_an_answer_settles_what_is_open_only() -> None:
    late = Verdict("reserved", "Accepted")
    assert answered(reservation(state="unknown"), late, NOON).state == "reserved"
    for state in ("used", "expired", "cancelled", "rejected", "reserved"):
        known = reservation(state=state)
        assert answered(known, Verdict("rejected", "Occupied"), NOON) == known


def test_cancelling() -> None:
    assert cancelled(reservation(), accepted=True, at=NOON).state == "cancelled"
    gone = cancelled(reservation(), accepted=False, at=NOON)
    assert (gone.state, gone.reason, gone.check_at) == (
        "cancelled",
        "unknown_to_charge_point",
        NOON + LATE_EVERY,
    )
    assert cancelled(reservation(state="unknown"), accepted=False, at=NOON).state == "rejected"
    used = reservation(state="used")
    assert cancelled(used, accepted=True, at=NOON) == used


@pytest.mark.parametrize(
    ("changes", "start", "meaning"),
    [
        ({}, started(), "used"),
        ({}, started(id_tag_key="other", parent_key="fleet"), "used"),
        ({}, started(id_tag_key="other"), "conflict"),
        ({}, started(id_tag_key="other", parent_key="else"), "conflict"),
        ({}, started(connector_id=2), None),
        ({}, started(connector_id=2, reservation_id=5), "used"),
        ({}, started(id_tag_key="other", reservation_id=5), "used"),
        ({}, started(reservation_id=6), None),
        # Some firmware always sends 0 or -1.
        ({}, started(reservation_id=0), "used"),
        ({}, started(reservation_id=-1), "used"),
        ({"connector_id": 0}, started(connector_id=3), "used"),
        ({"connector_id": 0}, started(id_tag_key="other"), None),
        ({"parent_key": None}, started(id_tag_key="other"), "conflict"),
        ({"state": "unknown"}, started(), "used"),
        ({"state": "unknown"}, started(id_tag_key="other"), None),
        ({}, started(after=-1), None),
        ({}, started(after=-60, received_at=NOON + MINUTE), None),
        ({}, started(after=-60, received_at=NOON + MINUTE, clock_skew_s=-3660.0), "used"),
        ({}, started(after=-60, received_at=NOON + MINUTE, reservation_id=5), "used"),
        ({"state": "used"}, started(), None),
        ({"state": "expired", "ended_at": NOON + 5 * MINUTE}, started(), "used"),
        ({"state": "expired", "ended_at": NOON + 5 * MINUTE}, started(after=9), None),
        ({"state": "expired", "ended_at": NOON + 5 * MINUTE}, started(id_tag_key="other"), None),
    ],
)
def test_the_meaning_of_a_start(changes: dict[str, Any], start: SeenStart, meaning: str | None) -> None:
    assert meaning_of(reservation(**changes), start) == meaning


def test_a_number_that_is_reused_may_mean_an_earlier_reservation() -> None:
    old = started(after=-60, received_at=NOON + MINUTE, reservation_id=5)
    assert meaning_of(reservation(), old, reused=True) is None
    assert after_starts([reservation(origin="command")], [old], NOON) == []


def test_a_clock_that_cannot_be_corrected_counts_as_it_is() -> None:
    live = started(clock_skew_s=9e9)
    assert began_at(live) == live.started_at
    late = started(after=-60, received_at=NOON, clock_skew_s=-9e15)
    assert began_at(late) == NOON


def test_the_best_of_several_reservations_is_used() -> None:
    named = reservation(id=1, reservation_id=5, connector_id=2)
    here = reservation(id=2, reservation_id=6, connector_id=1)
    anywhere = reservation(id=3, reservation_id=7, connector_id=0)
    every = [named, here, anywhere]
    (used,) = after_starts(every, [started(reservation_id=5)], NOON)
    assert used.id == 1
    (used,) = after_starts(every, [started()], NOON)
    assert used.id == 2
    first, second = after_starts(every, [started(), started(2, transaction_id=10)], NOON)
    assert [(one.id, one.transaction_id) for one in (first, second)] == [(2, 9), (3, 10)]


def test_a_start_in_the_middle_of_a_change_uses_the_new_one() -> None:
    old, new = reservation(id=1), reservation(id=2, state="unknown")
    states = {one.id: (one.state, one.reason) for one in after_starts([old, new], [started()], NOON)}
    assert states == {1: ("cancelled", "replaced"), 2: ("used", None)}


def test_the_conflicts_of_a_reservation_are_bounded() -> None:
    stranger = "STRANGER"
    starts = [started(place, id_tag_key=stranger, transaction_id=place) for place in range(1, 151)]
    (changed,) = after_starts([reservation()], starts, NOON)
    assert len(changed.conflicts) == CONFLICTS_LIMIT


def test_a_conflict_is_noted_once() -> None:
    stranger = started(id_tag_key="other")
    (flagged,) = after_starts([reservation()], [stranger], NOON)
    assert (flagged.state, flagged.conflicts) == ("reserved", (9,))
    assert after_starts([flagged], [stranger], NOON) == []


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from(["tag", "other"])), max_size=5),
    st.lists(
        st.tuples(st.sampled_from([1, 2]), st.sampled_from(["tag", "other"]), st.integers(0, 6)), max_size=6
    ),
)
def test_a_start_uses_one_reservation_and_a_reservation_one_start(
    wanted: list[tuple[int, str]], seen: list[tuple[int, str, int]]
) -> None:
    known = [
        reservation(id=number, reservation_id=number + 1, connector_id=connector, id_tag_key=tag)
        for number, (connector, tag) in enumerate(wanted)
    ]
    starts = [
        started(
            number + 1, transaction_id=number, connector_id=connector, id_tag_key=tag, reservation_id=named
        )
        for number, (connector, tag, named) in enumerate(seen)
    ]
    changed = after_starts(known, starts, NOON)
    used = [one.transaction_id for one in changed if one.state == "used"]
    assert len(used) == len(set(used))
    assert len({one.id for one in changed}) == len(changed)
    # A second look at what is left changes nothing.
    left = {one.id: one for one in known} | {one.id: one for one in changed}
    again = [one for one in starts if one.transaction_id not in used]
    assert after_starts(list(left.values()), again, NOON) == []


def status(value: str, connector_id: int = 1, after: float = 1) -> SeenStatus:
    return SeenStatus(connector_id, value, NOON + after * MINUTE)


@pytest.mark.parametrize("value", ["Faulted", "Unavailable"])
def test_a_broken_connector_ends_a_reservation(value: str) -> None:
    for connector_id in (0, 1):
        (over,) = after_statuses([reservation()], [status(value, connector_id)], NOON)
        assert (over.state, over.reason) == ("cancelled", value.lower())
    assert after_statuses([reservation()], [status(value, 2), status(value, 1, -1)], NOON) == []
    assert after_statuses([reservation(state="used")], [status(value)], NOON) == []


def test_the_status_reserved_settles_a_doubt() -> None:
    doubtful = reservation(state="unknown", reserved_at=None)
    (settled,) = after_statuses([doubtful], [status("Reserved")], NOON)
    assert settled.state == "reserved"
    assert after_statuses([doubtful, reservation(id=2)], [status("Reserved")], NOON) == []
    assert after_statuses([doubtful], [status("Reserved", after=-1)], NOON) == []
    assert after_statuses([replace(doubtful, connector_id=0)], [status("Reserved", 0)], NOON) == []


def test_late_starts_are_looked_for_until_a_day_after_the_end() -> None:
    over = expired(reservation(), NOON + 61 * MINUTE)
    assert (over.state, over.ended_at) == ("expired", NOON + 60 * MINUTE)
    later = NOON + 120 * MINUTE
    assert checked_again(over, later).check_at == later + LATE_EVERY
    assert checked_again(over, NOON + 60 * MINUTE + LATE_AFTER).check_at is None
