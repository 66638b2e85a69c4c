"""Tests of the decisions: when an event is sent, what an attempt means, when a webhook is given up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events.records import BatchReadings, StoredEvent
from app.webhooks.records import EVENT_DELETED, Attempted, Waiting
from app.webhooks.rules import (
    Shares,
    failing_since,
    given_up,
    next_window,
    outcome_of,
    plan,
    retry_after_s,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
DELAYS_S = (5.0, 300.0)
OK = Attempted(NOW, is_delivered=True)
FAILED = Attempted(NOW, is_delivered=False)
NOT_SENT = Attempted(NOW, is_delivered=False, counts=False)


def waiting(position: int, *charge_points: str, at: datetime = NOW, attempts: int = 0) -> Waiting:
    return Waiting(position, "transaction.started", frozenset(charge_points), attempts, at)


def chosen(*all_waiting: Waiting, under_way: tuple[int, ...] = (), room: int = 4) -> list[int]:
    return [one.position for one in plan(all_waiting, under_way, NOW, room).now]


def test_only_the_oldest_event_of_each_charge_point_is_sent() -> None:
    assert chosen(waiting(1, "A"), waiting(2, "A"), waiting(3, "B")) == [1, 3]


def test_an_event_that_failed_holds_those_of_its_charge_point_only() -> None:
    assert chosen(waiting(1, "A", at=LATER), waiting(2, "A"), waiting(3, "B")) == [3]
    assert plan([waiting(1, "A", at=LATER), waiting(2, "A")], (), NOW, 4).next_at == LATER


def test_an_event_under_way_holds_those_of_its_charge_point() -> None:
    assert chosen(waiting(1, "A"), waiting(2, "A"), waiting(3, "B"), under_way=(1,)) == [3]


def test_a_batch_is_in_order_with_each_of_its_charge_points() -> None:
    assert chosen(waiting(1, "A", at=LATER), waiting(2, "A", "B"), waiting(3, "B"), waiting(4, "C")) == [4]


def test_events_of_no_charge_point_are_in_an_order_of_their_own() -> None:
    assert chosen(waiting(1), waiting(2), waiting(3, "A")) == [1, 3]


def test_there_are_no_more_than_there_is_room_for() -> None:
    assert chosen(waiting(1, "A"), waiting(2, "B"), waiting(3, "C"), room=2) == [1, 2]
    assert chosen(waiting(1, "A"), room=0) == []


@given(st.lists(st.tuples(st.frozensets(st.sampled_from("ABC"), max_size=2), st.booleans()), max_size=12))
def test_two_events_of_one_charge_point_are_never_sent_together(
    events: list[tuple[frozenset[str], bool]],
) -> None:
    rows = [
        waiting(place, *keys, at=LATER if is_later else NOW) for place, (keys, is_later) in enumerate(events)
    ]
    seen: set[str] = set()
    sent = {one.position for one in plan(rows, (), NOW, 100).now}
    for row in rows:
        keys = row.charge_points or {""}
        if row.position in sent:
            assert seen.isdisjoint(keys)
        seen |= keys


@pytest.mark.parametrize(
    ("attempts", "attempted", "chance", "expected"),
    [
        pytest.param(0, OK, 0.5, ("delivered", 1, 0.0), id="delivered"),
        pytest.param(0, FAILED, 0.5, ("pending", 1, 5.0), id="first failure"),
        pytest.param(1, FAILED, 0.5, ("pending", 2, 300.0), id="second failure"),
        pytest.param(1, FAILED, 0.0, ("pending", 2, 240.0), id="shortest pause"),
        pytest.param(1, FAILED, 1.0, ("pending", 2, 360.0), id="longest pause"),
        pytest.param(2, FAILED, 0.5, ("dead", 3, 0.0), id="last failure"),
        pytest.param(0, NOT_SENT, 0.5, ("pending", 0, 1.0), id="not sent"),
        pytest.param(
            0, Attempted(NOW, is_delivered=False, reason=EVENT_DELETED), 0.5, ("dead", 1, 0.0), id="deleted"
        ),
    ],
)
def test_an_attempt_makes_of_a_delivery(
    attempts: int, attempted: Attempted, chance: float, expected: tuple[str, int, float]
) -> None:
    outcome = outcome_of(waiting(1, "A", attempts=attempts), attempted, DELAYS_S, chance)
    state, made, pause_s = expected
    assert (outcome.state, outcome.attempts) == (state, made)
    assert outcome.next_attempt_at == NOW + timedelta(seconds=pause_s)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("9" * 400, 1e9),
        ("Fri, 01 May 2026 00:01:00 GMT", 60.0),
        ("Thu, 30 Apr 2026 23:59:00 GMT", 0.0),
        ("Fri May  1 00:01:00 2026", 60.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("\u0663", None),
        ("Fri, 99 May 2026 00:01:00 GMT", None),
        ("soon", None),
    ],
)
def test_a_receiver_says_when_it_wants_the_next_attempt(text: str, expected: float | None) -> None:
    assert retry_after_s(text, NOW) == expected


@pytest.mark.parametrize(("wish_s", "pause_s"), [(1.0, 5.0), (60.0, 60.0), (1e9, 86_400.0)])
def test_the_next_attempt_is_not_before_the_receiver_wants_it(wish_s: float, pause_s: float) -> None:
    asking = replace(FAILED, retry_after_s=wish_s)
    outcome = outcome_of(waiting(1, "A"), asking, DELAYS_S, 0.5)
    assert outcome.next_attempt_at == NOW + timedelta(seconds=pause_s)


def event(position: int, *names: str) -> StoredEvent:
    batch = tuple(BatchReadings(name, 1, None, (0,)) for name in names) if len(names) > 1 else ()
    name = names[0] if len(names) == 1 else None
    return StoredEvent(position, "connection.opened", 1, name, NOW, NOW, "" if batch else "{}", batch)


def selected(shares: Shares, *events: StoredEvent, **behind: int) -> tuple[list[int], int, dict[str, int]]:
    found = shares.select(events, 100, behind)
    return [one.position for one in found.events], found.position, found.behind


def test_a_charge_point_with_too_many_pending_deliveries_is_left_behind() -> None:
    shares = Shares({"A": 1}, limit=2)
    events = (event(1, "A"), event(2, "A"), event(3, "B"), event(4, "A"), event(5))
    assert selected(shares, *events) == ([1, 3, 5], 100, {"A": 1})
    assert selected(shares, event(6, "A"), event(7, "B"), A=1) == ([7], 100, {"A": 1})


def test_a_batch_waits_for_each_of_its_charge_points() -> None:
    shares = Shares({}, limit=2)
    assert selected(shares, event(6, "B"), event(7, "A", "B"), event(8, "C"), A=1) == ([6], 6, {"A": 1})
    assert selected(shares, event(7, "B", "C"), A=1) == ([7], 100, {"A": 1})


def test_only_so_many_charge_points_are_behind() -> None:
    shares = Shares({}, limit=1, behind_limit=1)
    events = (event(1, "A"), event(2, "B"), event(3, "A"), event(4, "B"), event(5, "C"))
    assert selected(shares, *events) == ([1, 2], 3, {"A": 2})


def test_a_charge_point_goes_on_when_most_of_its_deliveries_have_ended() -> None:
    shares = Shares({"A": 5, "B": 4, "C": 2}, limit=10)
    assert shares.to_catch_up({"A": 1, "B": 2, "D": 3}) == {"B": 6, "D": 10}


def test_a_webhook_that_fails_has_one_request_at_a_time() -> None:
    window = 4
    for _ in range(3):
        window = next_window(window, FAILED)
    assert window == 1
    assert next_window(window, NOT_SENT) == 1
    assert next_window(window, OK) == 2
    assert next_window(4, OK) == 4


def test_it_fails_since_the_first_failure_behind_the_last_success() -> None:
    assert failing_since(None, [FAILED]) == NOW
    assert failing_since(NOW - timedelta(days=1), [FAILED]) == NOW - timedelta(days=1)
    assert failing_since(NOW, [FAILED, OK]) is None
    assert failing_since(None, [NOT_SENT]) is None


def test_it_is_given_up_after_long_failure_or_if_it_is_gone() -> None:
    patience = timedelta(days=5)
    assert given_up(NOW - patience, [FAILED], patience) == "failing"
    assert given_up(NOW - patience + timedelta(seconds=1), [FAILED], patience) is None
    assert given_up(NOW - patience, [NOT_SENT], patience) is None
    assert given_up(None, [OK], patience) is None
    assert given_up(NOW, [Attempted(NOW, is_delivered=False, status_code=410)], patience) == "gone"
