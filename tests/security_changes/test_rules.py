"""Decisions about changes of keys and security profiles, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.charge_points.records import ChargePointRecord
from app.charge_points.security_profile import below_minimum, required_profile
from app.commands.rules import Outcome
from app.security_changes.records import SecurityChangeRecord, Seen
from app.security_changes.rules import (
    change_of,
    idempotency_key_of,
    next_check,
    refused_raise,
    settled,
    shown_raise,
    state_after,
)

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
ANSWERED = NOW + timedelta(seconds=1)
BETWEEN = NOW + timedelta(milliseconds=500)
LATER = NOW + timedelta(seconds=5)
CHANGE = SecurityChangeRecord(
    id=UUID(int=1),
    tenant_id=1,
    charge_point_id=7,
    identity="CP1",
    kind="credential",
    from_profile=None,
    to_profile=None,
    state="accepted",
    detail="Accepted",
    command_id=UUID(int=2),
    requested_by="key:test",
    requested_at=NOW,
    answered_at=ANSWERED,
    ended_at=None,
)
RAISE = replace(CHANGE, kind="security_profile", from_profile=1, to_profile=2)
SEEN = Seen(LATER, 1, is_key_current=True, is_key_possible=False)


@pytest.mark.parametrize("tenant", range(4))
@pytest.mark.parametrize("own", range(4))
@pytest.mark.parametrize("no_credential", [False, True])
def test_the_higher_minimum_counts_and_no_credential_excepts_from_that_of_the_tenant(
    tenant: int, own: int, no_credential: bool
) -> None:
    required = required_profile(tenant, own, no_credential=no_credential)
    assert required == (own if no_credential else max(tenant, own))
    for offered in range(4):
        refused = below_minimum(offered, tenant, own, no_credential=no_credential)
        assert (refused is None) is (offered >= required)


def test_a_refusal_names_both_profiles() -> None:
    text = below_minimum(1, 0, 2, no_credential=False)
    assert text == "It connects on security profile 1, and the minimum is 2."


def point(**changes: Any) -> ChargePointRecord:
    facts = {"security_profile": 1, "minimum_security_profile": 1, "credential_hash": b"hash", **changes}
    record = object.__new__(ChargePointRecord)
    for name, value in facts.items():
        object.__setattr__(record, name, value)
    return record


@pytest.mark.parametrize(
    ("facts", "target", "certificate", "requirement"),
    [
        ({}, 1, False, "A05.FR.01"),
        ({"security_profile": 2}, 1, False, "A05.FR.01"),
        ({"security_profile": None, "minimum_security_profile": 2}, 2, False, "A05.FR.01"),
        ({"security_profile": 0, "minimum_security_profile": 0, "credential_hash": None}, 1, False, "FR.02"),
        ({"credential_hash": None}, 2, True, "A05.FR.02"),
        ({}, 3, False, "A05.FR.04"),
        ({}, 2, False, None),
        ({}, 3, True, None),
        ({"credential_hash": None}, 3, True, None),
        ({"security_profile": None, "minimum_security_profile": 0}, 1, False, None),
    ],
)
def test_the_prerequisites_of_a_raise(
    facts: dict[str, Any], target: int, certificate: bool, requirement: str | None
) -> None:
    refused = refused_raise(point(**facts), target, has_certificate=certificate)
    assert (refused is None) is (requirement is None)
    assert requirement is None or requirement in (refused or "")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome("accepted", status="Accepted", answered=True), "accepted"),
        (Outcome("accepted", status="RebootRequired", answered=True), "accepted"),
        (Outcome("rejected", status="Rejected", answered=True), "rejected"),
        (Outcome("rejected", status="NotSupported", answered=True), "rejected"),
        (Outcome("call_error", error={"code": "NotSupported"}, answered=True), "rejected"),
        (Outcome("call_error", error={"code": "unreadable_answer"}, answered=True), "in_doubt"),
        (Outcome("timed_out"), "in_doubt"),
        (Outcome("connection_lost"), "in_doubt"),
        (Outcome("offline"), "not_sent"),
        (Outcome("expired"), "not_sent"),
        (Outcome("cancelled"), "not_sent"),
    ],
)
def test_an_outcome_is_the_next_state(outcome: Outcome, state: str) -> None:
    assert state_after(outcome)[0] == state


@pytest.mark.parametrize(
    ("change", "seen", "state"),
    [
        (CHANGE, SEEN, "confirmed"),
        (CHANGE, replace(SEEN, logged_in_at=NOW), None),
        (CHANGE, replace(SEEN, logged_in_at=None), None),
        (CHANGE, replace(SEEN, profile=3), None),
        (CHANGE, replace(SEEN, profile=0), None),
        (replace(CHANGE, state="in_doubt"), SEEN, "confirmed"),
        # The lost connection was noticed by the login that took its place.
        (replace(CHANGE, state="in_doubt"), replace(SEEN, logged_in_at=BETWEEN), "confirmed"),
        (replace(RAISE, state="in_doubt"), Seen(BETWEEN, 2, False, False), "confirmed"),
        (RAISE, Seen(BETWEEN, 2, False, False), "confirmed"),
        (RAISE, Seen(BETWEEN, 1, False, False), None),
        (CHANGE, replace(SEEN, logged_in_at=BETWEEN), None),
        # It has logged in with the old key: the new one may still be in use after its next restart.
        (replace(CHANGE, state="in_doubt"), Seen(LATER, 1, False, True), None),
        (CHANGE, Seen(NOW, 1, False, False), "superseded"),
        (RAISE, replace(SEEN, profile=2), "confirmed"),
        (RAISE, replace(SEEN, profile=3), "confirmed"),
        (RAISE, SEEN, "fell_back"),
        (RAISE, replace(SEEN, logged_in_at=NOW), None),
        (replace(RAISE, state="in_doubt"), SEEN, None),
        (replace(RAISE, detail="RebootRequired"), SEEN, None),
        (replace(RAISE, state="in_doubt"), replace(SEEN, profile=2), "confirmed"),
        (replace(CHANGE, state="requested"), SEEN, None),
    ],
)
def test_a_login_settles_a_change(change: SecurityChangeRecord, seen: Seen, state: str | None) -> None:
    end = settled(change, seen, LATER)
    assert (end and end[0]) == state


@pytest.mark.parametrize(
    ("change", "seen", "hours", "state"),
    [
        (replace(CHANGE, state="in_doubt"), Seen(LATER, 1, False, True), 23, None),
        (replace(CHANGE, state="in_doubt"), Seen(LATER, 1, False, True), 25, "expired"),
        (CHANGE, replace(SEEN, logged_in_at=NOW), 25, "expired"),
        (replace(CHANGE, state="requested"), SEEN, 1, "not_sent"),
    ],
)
def test_an_unproved_change_ends_by_itself(
    change: SecurityChangeRecord, seen: Seen, hours: int, state: str | None
) -> None:
    end = settled(change, seen, NOW + timedelta(hours=hours))
    assert (end and end[0]) == state


@pytest.mark.parametrize(
    ("state", "profile", "shown"),
    [
        ("fell_back", 1, "fell_back"),
        ("fell_back", None, "fell_back"),
        ("fell_back", 2, "confirmed"),
        ("expired", 3, "confirmed"),
        # It was not asked for what it uses: it did so by itself.
        ("rejected", 2, "rejected"),
        ("not_sent", 2, "not_sent"),
        ("accepted", 1, "accepted"),
    ],
)
def test_a_raise_is_not_shown_as_failed_once_the_profile_is_used(
    state: Any, profile: int | None, shown: str
) -> None:
    change = replace(RAISE, state=state, detail="it logged in on profile 1 (A05.FR.08)")
    found = shown_raise(change, profile)
    assert found.state == shown
    assert ("after all" in (found.detail or "")) is (shown == "confirmed")


def test_a_command_names_its_change() -> None:
    change_id = uuid4()
    assert change_of(idempotency_key_of(change_id)) == change_id
    assert change_of(None) is None
    assert change_of("abc") is None
    assert change_of("security-change:abc") is None


def test_an_old_change_is_looked_at_less_often() -> None:
    assert next_check(CHANGE, NOW) == NOW + timedelta(seconds=5)
    hour = NOW + timedelta(hours=1)
    assert next_check(CHANGE, hour) == hour + timedelta(minutes=6)
