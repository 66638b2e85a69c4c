"""Decides what may be asked of a charge point, and what its answer and its logins say about a change."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.charge_points.records import ChargePointRecord
from app.charge_points.security_profile import HIGHEST_PROFILE
from app.commands.rules import Outcome
from app.security_changes.records import ChangeState, SecurityChangeRecord, Seen

CHANGE_LIFE: Final = timedelta(hours=24)
"""How long a change may stay open. As long the old and the new key log in, if the answer is lost."""
UNISSUED_LIFE: Final = timedelta(minutes=15)
"""How long a change may wait for the outcome of its command, which expires earlier."""
_SHORTEST_CHECK: Final = timedelta(seconds=5)

_KEY_PREFIX: Final = "security-change:"


def idempotency_key_of(change_id: UUID) -> str:
    """Return the idempotency key of the command of a change, by which its outcome finds the change."""
    return f"{_KEY_PREFIX}{change_id}"


def change_of(idempotency_key: str | None) -> UUID | None:
    """Return the change that a command belongs to; None: it belongs to none."""
    if idempotency_key is None or not idempotency_key.startswith(_KEY_PREFIX):
        return None
    try:
        return UUID(idempotency_key.removeprefix(_KEY_PREFIX))
    except ValueError:
        return None


def refused_raise(charge_point: ChargePointRecord, target: int, *, has_certificate: bool) -> str | None:
    """Say why a security profile is not asked for; None: it may be (security whitepaper A05, prerequisites).

    has_certificate: the operator knows that a client certificate is installed.
    """
    present = max(charge_point.security_profile or 0, charge_point.minimum_security_profile)
    if target <= present:
        return f"The charge point is on security profile {present}: it can only be raised (A05.FR.01)."
    if target < HIGHEST_PROFILE and charge_point.credential_hash is None:
        return "The charge point has no password here, and profiles 1 and 2 need one (A05.FR.02)."
    if target == HIGHEST_PROFILE and not has_certificate:
        return "No client certificate of the charge point is known, and profile 3 needs one (A05.FR.04)."
    return None


def refused_rotation(charge_point: ChargePointRecord) -> str | None:
    """Say why a key is not replaced; None: it may be."""
    if charge_point.credential_hash is None:
        return "The charge point has no password that could be replaced."
    return None


def state_after(outcome: Outcome) -> tuple[ChangeState, str | None]:
    """Return the state of a change after the outcome of its command, and a detail (A01.FR.03, A01.FR.04)."""
    if outcome.is_in_doubt:
        return "in_doubt", outcome.state
    if outcome.state == "accepted" or outcome.status == "RebootRequired":
        return "accepted", outcome.status
    if outcome.answered:
        code = None if outcome.error is None else outcome.error.get("code")
        return "rejected", outcome.status or code
    return "not_sent", outcome.state


def settled(change: SecurityChangeRecord, seen: Seen, now: datetime) -> tuple[ChangeState, str | None] | None:
    """Return how an open change has ended; None: it is still open."""
    if change.state == "requested":
        is_lost = now - change.requested_at > UNISSUED_LIFE
        return ("not_sent", "no outcome of its command is known") if is_lost else None
    end = _settled_key(change, seen) if change.kind == "credential" else _settled_profile(change, seen)
    if end is not None and (end[0] == "superseded" or _is_new_login(change, seen, end[0])):
        return end
    if now - change.requested_at > CHANGE_LIFE:
        return "expired", "it was not seen within 24 hours"
    return None


def shown_raise(change: SecurityChangeRecord, profile: int | None) -> SecurityChangeRecord:
    """Return a raise as it is to be shown: one that was given up is confirmed by a later login.

    A charge point may connect once more as before, until it uses what it has agreed to.

    Args:
        change: The newest raise.
        profile: That of the last login.
    """
    target = change.to_profile
    if change.state not in ("fell_back", "expired") or profile is None or target is None or profile < target:
        return change
    return replace(change, state="confirmed", detail=f"it has logged in on profile {profile} after all")


def next_check(change: SecurityChangeRecord, now: datetime) -> datetime:
    """Return when to look at an open change again: an old one less often."""
    return now + max(_SHORTEST_CHECK, (now - change.requested_at) / 10)


def _is_new_login(change: SecurityChangeRecord, seen: Seen, end: ChangeState) -> bool:
    """Tell whether the newest login came after the change, so that it says something about it.

    A lost answer may be noticed only after the login that followed. And the charge point had no higher
    profile before it was asked for one. But an accepted key is the only one from the answer on.
    """
    is_proof = change.state == "in_doubt" or (change.kind == "security_profile" and end == "confirmed")
    since = change.requested_at if is_proof else change.answered_at or change.requested_at
    return seen.logged_in_at is not None and seen.logged_in_at > since


def _settled_key(change: SecurityChangeRecord, seen: Seen) -> tuple[ChangeState, str | None] | None:
    if seen.is_key_current:
        # A login with a certificate, or with nothing, does not prove the key.
        return ("confirmed", change.detail) if seen.profile in (1, 2) else None
    if seen.is_key_possible:
        # It has logged in with the old key: the answer may still be lost, or a reboot may be due.
        return None
    return "superseded", "another credential was set"


def _settled_profile(change: SecurityChangeRecord, seen: Seen) -> tuple[ChangeState, str | None] | None:
    if seen.profile is not None and change.to_profile is not None and seen.profile >= change.to_profile:
        return "confirmed", change.detail
    if change.state == "accepted" and change.detail != "RebootRequired":
        return "fell_back", f"it logged in on profile {seen.profile} (A05.FR.08)"
    return None
