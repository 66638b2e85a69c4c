"""Decide what becomes of a reservation: by answers, starts, statuses and time (OCPP 1.6 5.1, 5.13). Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from app.reservations.records import ReservationRecord, ReservationState, SeenStart, SeenStatus

KEY_PREFIX: Final = "reservation:"
"""The idempotency key of a ReserveNow of ours is this and the id of the row."""
LONGEST_TAG: Final = 20
"""Characters of an IdToken in a command (OCPP 1.6 7.28)."""
CONFLICTS_LIMIT: Final = 100
"""Starts of other tags that a reservation lists. Later ones are not noted."""
LATE_AFTER: Final = timedelta(days=1)
"""How long after its end a reservation may still turn out to be used: charge points replay starts."""
LATE_EVERY: Final = timedelta(minutes=5)
_CLOCKS: Final = timedelta(seconds=5)
"""How much a clock may be behind what is known of it."""
_LIVE: Final = timedelta(seconds=1)
_SETTLED: Final = frozenset({"used", "expired", "cancelled", "rejected"})

UNKNOWN_TO_CHARGE_POINT: Final = "unknown_to_charge_point"
NOT_SENT: Final = "not_sent"
REPLACED: Final = "replaced"
_NEVER_SENT: Final = frozenset({"offline", "expired", "cancelled"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a ReserveNow. status: the charge point's own word; reason: why, if it needs one."""

    state: ReservationState
    status: str | None = None
    reason: str | None = None


def verdict_of(
    command_state: str, status: str | None, *, in_doubt: bool = False, error: str | None = None
) -> Verdict:
    """Return what the end of a ReserveNow says. in_doubt: the charge point may have done it or not.

    Args:
        command_state: The state of the command.
        status: The `status` of the answer.
        error: The code of the CALLERROR.
    """
    if in_doubt or command_state in ("timed_out", "connection_lost"):
        return Verdict("unknown", status, "no_answer" if error is None else error)
    if command_state == "accepted":
        return Verdict("reserved", status)
    if command_state in _NEVER_SENT:
        return Verdict("rejected", None, "offline" if command_state == "offline" else NOT_SENT)
    return Verdict("rejected", status, error or (status or "rejected").lower())


def answered(
    reservation: ReservationRecord, verdict: Verdict, at: datetime, *, certain: bool = True
) -> ReservationRecord:
    """Return a reservation after the answer to its ReserveNow. What has ended meanwhile stays as it is.

    certain False: the answer is only guessed, so that it settles no doubt.
    """
    if reservation.state not in ("requested", "unknown") or (reservation.state == "unknown" and not certain):
        return reservation
    state = verdict.state
    return replace(
        reservation,
        state=state,
        status=verdict.status,
        reason=verdict.reason,
        reserved_at=at if state == "reserved" else None,
        ended_at=at if state == "rejected" else None,
    )


def cancelled(reservation: ReservationRecord, *, accepted: bool, at: datetime) -> ReservationRecord:
    """Return a reservation after the answer to CancelReservation. Rejected: there is none of this id (5.1).

    Then the charge point has ended it by itself, perhaps by a start that is still to come; or it never was.
    """
    if not reservation.is_open:
        return reservation
    if accepted:
        return ended(reservation, "cancelled", "cancelled", at)
    state: ReservationState = "cancelled" if reservation.state == "reserved" else "rejected"
    return replace(ended(reservation, state, UNKNOWN_TO_CHARGE_POINT, at), check_at=at + LATE_EVERY)


def ended(
    reservation: ReservationRecord, state: ReservationState, reason: str | None, at: datetime
) -> ReservationRecord:
    """Return a reservation that is over."""
    return replace(reservation, state=state, reason=reason, ended_at=at)


def expired(reservation: ReservationRecord, at: datetime) -> ReservationRecord:
    """Return a reservation whose time is over by our clock. A start may still come late."""
    return replace(
        ended(reservation, "expired", reservation.reason, reservation.expires_at), check_at=at + LATE_EVERY
    )


def checked_again(reservation: ReservationRecord, at: datetime) -> ReservationRecord:
    """Return an ended reservation after a look for late starts."""
    over = reservation.ended_at is None or at - reservation.ended_at >= LATE_AFTER
    return replace(reservation, check_at=None if over else at + LATE_EVERY)


def began_at(start: SeenStart) -> datetime:
    """Return when a transaction began by our clock, as far as the clock of the charge point is known."""
    if abs(start.received_at - start.started_at) <= _LIVE or start.clock_skew_s is None:
        return start.started_at
    try:
        return start.started_at - timedelta(seconds=start.clock_skew_s)
    except OverflowError:
        return start.received_at


def meaning_of(
    reservation: ReservationRecord, start: SeenStart, *, reused: bool = False
) -> Literal["used", "conflict"] | None:
    """Return what a start means for a reservation; None: nothing.

    A start that names it uses it, else one with its tag or a tag of its group on its connector (5.13). One by
    another tag on its connector is a conflict. A start that began before the reservation has nothing to do
    with it, however late it comes.

    Args:
        reused: Its reservationId was given before, so that a start may mean the earlier reservation.
    """
    if start.received_at < reservation.requested_at or reservation.state == "used":
        return None
    began = began_at(start)
    is_before = began < reservation.requested_at - _CLOCKS
    if not reservation.is_open and (reservation.ended_at is None or began > reservation.ended_at + _CLOCKS):
        return None
    named = start.reservation_id if (start.reservation_id or 0) > 0 else None
    if named is not None:
        if named != reservation.reservation_id or (is_before and reused):
            return None
        return "used"
    if is_before or reservation.connector_id not in (0, start.connector_id):
        return None
    same_group = reservation.parent_key is not None and reservation.parent_key == start.parent_key
    if start.id_tag_key == reservation.id_tag_key or same_group:
        return "used"
    return "conflict" if reservation.state == "reserved" and reservation.connector_id > 0 else None


def after_starts(
    reservations: Sequence[ReservationRecord], starts: Iterable[SeenStart], at: datetime
) -> list[ReservationRecord]:
    """Return the reservations of one charge point that its starts change. Each start uses at most one.

    Of several that a start may use it is the one that it names, then one of its connector, then the newest.
    """
    left = {one.id: one for one in reservations}
    numbers = [one.reservation_id for one in reservations]
    changed: dict[int, ReservationRecord] = {}
    for start in sorted(starts, key=lambda one: (began_at(one), one.transaction_id)):
        found = {one.id: meaning_of(one, start, reused=_is_reused(one, numbers)) for one in left.values()}
        usable = [left[number] for number, meaning in found.items() if meaning == "used"]
        if usable:
            best = max(usable, key=lambda one: (one.is_open, one.connector_id == start.connector_id, one.id))
            used = replace(ended(best, "used", None, at), transaction_id=start.transaction_id, check_at=None)
            _note(left, changed, used)
            for other in usable:
                # The one that was changed by it.
                if other.id != best.id and other.is_open and other.reservation_id == best.reservation_id:
                    _note(left, changed, ended(other, "cancelled", REPLACED, at))
            continue
        for number, meaning in found.items():
            known = left[number].conflicts
            is_new = len(known) < CONFLICTS_LIMIT and start.transaction_id not in known
            if meaning == "conflict" and is_new:
                conflicts = (*known, start.transaction_id)
                _note(left, changed, replace(left[number], conflicts=conflicts))
    return list(changed.values())


def after_statuses(
    reservations: Sequence[ReservationRecord], statuses: Collection[SeenStatus], at: datetime
) -> list[ReservationRecord]:
    """Return the reservations of one charge point that the last statuses of its connectors change.

    Faulted or Unavailable, of the connector or of the charge point, ends a reservation (5.13). Reserved
    settles the only one of its connector that is in doubt.
    """
    changed = []
    for one in reservations:
        if not one.is_open:
            continue
        since = one.reserved_at or one.requested_at
        here = [
            seen
            for seen in statuses
            if seen.connector_id in (0, one.connector_id) and seen.received_at >= since
        ]
        broken = next((seen for seen in here if seen.status in ("Faulted", "Unavailable")), None)
        if broken is not None and one.state == "reserved":
            changed.append(ended(one, "cancelled", broken.status.lower(), at))
        elif one.state == "unknown" and one.connector_id > 0:
            alone = sum(other.is_open and other.connector_id == one.connector_id for other in reservations)
            is_reserved = any(
                seen.status == "Reserved" and seen.connector_id == one.connector_id for seen in here
            )
            if is_reserved and alone == 1:
                changed.append(answered(one, Verdict("reserved", None, "status_reserved"), at))
    return changed


def _note(
    left: dict[int, ReservationRecord], changed: dict[int, ReservationRecord], one: ReservationRecord
) -> None:
    changed[one.id] = one
    if one.state in _SETTLED:
        left.pop(one.id, None)
    else:
        left[one.id] = one


def _is_reused(reservation: ReservationRecord, numbers: Sequence[int]) -> bool:
    """Tell whether its reservationId may name an earlier one, too. Operators give 1 again and again."""
    return reservation.origin == "command" or numbers.count(reservation.reservation_id) > 1
