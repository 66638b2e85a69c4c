"""The profile ledger: which charging profiles a charge point has accepted (OCPP 1.6 3.13, 5.5, 5.16).

OCPP 1.6 cannot read profiles back. So the ledger is computed from what was sent and what was answered, in the
order of sending. A missing answer leaves two possible states: with and without the effect of the request.
Later certain events make them one again. Pure values; `ledger_reading` reads the events.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.smart_charging.records import ConnectorTransaction
from app.types import Json

Verdict = Literal["accepted", "unknown", "rejected", "not_supported", "unconfirmed"]
"""The outcome of a request. unknown: nothing was found to clear; unconfirmed: done or not done."""

STATES_LIMIT = 64
"""Possible states that are kept; with more the charge point counts as not limited."""
_REFUSED: tuple[Verdict, ...] = ("rejected", "not_supported")
IN_DOUBT: tuple[Verdict, ...] = ("unconfirmed", "unknown")
"""Requests that may have been carried out or not: each leaves two states."""
REFUSALS_LIMIT = 50
"""Refused profiles that are kept for a charge point."""
TRIES_AT_EACH_END = 4
"""Of a row of equal requests in doubt, this many of the oldest and of the newest are kept."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A profile that may be on the charge point. Two that differ in their command alone are equal.

    connector_id: None while a remote start has no connector yet. profile: as sent, with the transactionId
    that its TxProfile belongs to, once it is known. waiting: its transaction has not begun. ended: its
    transaction is over, which removes the profile (3.13.1).
    """

    command_id: UUID = field(compare=False)
    connector_id: int | None
    profile: Json = field(hash=False)
    waiting: bool = False
    ended: bool = False

    @property
    def charging_profile_id(self) -> int:
        """Return the chargingProfileId."""
        return int(self.profile["chargingProfileId"])

    @property
    def place(self) -> tuple[object, ...]:
        """Return what only one profile can have: purpose, level, connector, a TxProfile's transaction."""
        purpose = self.profile["chargingProfilePurpose"]
        transaction = self.profile.get("transactionId") if purpose == "TxProfile" else None
        # Two remote starts that wait will begin two transactions.
        waiting = self.command_id if self.waiting else None
        return (purpose, self.profile["stackLevel"], self.connector_id, transaction, waiting)


@dataclass(frozen=True, slots=True)
class ProfileEvent:
    """A request that was sent, and what became of it.

    installs: the profile that it carries, None for a ClearChargingProfile. clears: the filters of a
    ClearChargingProfile, else None. reason: code of the CALLERROR, if the answer was one.
    """

    command_id: UUID
    at: datetime
    verdict: Verdict
    installs: Installed | None = None
    clears: Json | None = None
    reason: str | None = None


PossibleState = tuple[Installed, ...]
"""The profiles in one possible state of a charge point, in the order in which it accepted them."""


@dataclass(frozen=True, slots=True)
class ProfileLedger:
    """The profiles that are, or may be, on a charge point.

    states: each possible state, at least one. overflow: there are more than are kept, so nothing is known.
    anywhere: the profiles that may be there, in the order of sending. denied: the ids of those that the
    charge point says it does not have: a clear found nothing, and they were not sent since. refused: the
    newest refusal of each profile that was not accepted since. superseded: the events that no longer matter,
    whatever their late answers say. in_doubt: the requests that may have been carried out or not.
    """

    states: tuple[PossibleState, ...]
    overflow: bool
    anywhere: PossibleState
    denied: frozenset[int]
    refused: tuple[ProfileEvent, ...]
    superseded: frozenset[UUID]
    in_doubt: tuple[ProfileEvent, ...]

    @property
    def certain(self) -> bool:
        """Say whether there is only one possible state."""
        return len(self.states) == 1 and not self.overflow

    def everywhere(self) -> PossibleState:
        """Return the profiles that are on the charge point in every possible state."""
        return tuple(item for item in self.states[0] if all(item in state for state in self.states))


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The ledger of a charge point, and the transactions that run on it: one for each connector."""

    ledger: ProfileLedger
    running: tuple[ConnectorTransaction, ...]

    def transaction_on(self, connector_id: int) -> ConnectorTransaction | None:
        """Return the transaction that runs on a connector."""
        return next((row for row in self.running if row.connector_id == connector_id), None)


def fold_ledger(events: Sequence[ProfileEvent]) -> ProfileLedger:
    """Return the ledger after events that are in the order of sending."""
    alive = _without_irrelevant(events)
    states, overflow = _possible_states(alive)
    refused = _newest_refusals(alive)
    kept = {event.command_id for event in refused}
    if len(states) == 1 and not overflow:
        # What is not there now was removed by a certain event, and cannot come back.
        kept |= {item.command_id for item in states[0]}
    else:
        kept |= {
            event.command_id for event in alive if event.verdict in ("accepted", "unknown", "unconfirmed")
        }
    sent = {event.installs for event in alive if event.verdict not in _REFUSED}
    present = sent if overflow else {item for state in states for item in state}
    possible = [event.installs for event in alive if event.installs in present]
    anywhere = tuple(dict.fromkeys(item for item in possible if item is not None and not item.ended))
    superseded = frozenset(event.command_id for event in events if event.command_id not in kept)
    in_doubt = tuple(event for event in alive if event.verdict in IN_DOUBT)
    return ProfileLedger(states, overflow, anywhere, _denied(alive, anywhere), refused, superseded, in_doubt)


def _denied(events: Iterable[ProfileEvent], anywhere: PossibleState) -> frozenset[int]:
    denied: set[int] = set()
    for event in events:
        if event.installs is not None and event.verdict not in _REFUSED:
            denied.discard(event.installs.charging_profile_id)
        elif event.clears is not None and event.verdict == "unknown":
            filters = event.clears
            denied |= {item.charging_profile_id for item in anywhere if is_cleared(item, filters)}
    return frozenset(denied)


def _without_irrelevant(events: Sequence[ProfileEvent]) -> list[ProfileEvent]:
    """Drop the events in doubt whose outcome no longer makes a difference."""
    alive = [event for number, event in enumerate(events) if not _is_settled(event, events[number + 1 :])]
    alive = _without_repetitions(alive)
    for event in [event for event in alive if event.verdict in IN_DOUBT]:
        number = next(number for number, other in enumerate(alive) if other is event)
        if _is_irrelevant(event, alive[:number], alive[number + 1 :]):
            del alive[number]
    return alive


def _without_repetitions(events: Iterable[ProfileEvent]) -> list[ProfileEvent]:
    """Keep the first and last of each row of equal requests in doubt, so that rows cannot grow without end.

    A charge point may never answer, or say each time that it found nothing to clear. The oldest requests are
    unlikely to be answered, so they keep the doubt; an answer to one of the newest can settle it.
    """
    alive: list[ProfileEvent] = []
    rows: list[list[ProfileEvent]] = []
    for event in events:
        if event.verdict in IN_DOUBT:
            row = next((row for row in rows if _asks_the_same(row[0], event)), None)
            if row is None:
                rows.append([event])
            else:
                row.append(event)
        elif event.verdict not in _REFUSED:
            rows = []
        alive.append(event)
        for row in rows:
            if len(row) > 2 * TRIES_AT_EACH_END:
                dropped = row.pop(TRIES_AT_EACH_END)
                alive = [other for other in alive if other is not dropped]
    return alive


def _asks_the_same(one: ProfileEvent, other: ProfileEvent) -> bool:
    return (one.verdict, one.installs, one.clears) == (other.verdict, other.installs, other.clears)


def _is_irrelevant(
    event: ProfileEvent, earlier: Iterable[ProfileEvent], later: Iterable[ProfileEvent]
) -> bool:
    """Say whether the end is the same with and without an event, for each outcome of the others in doubt."""
    states, overflow = _reached(earlier)
    if overflow:
        return False
    pairs = {(apply_event(event, state), state) for state in states}
    for other in later:
        pairs = {
            pair
            for happened, not_happened in pairs
            for pair in zip(_branches(other, happened), _branches(other, not_happened), strict=True)
            if pair[0] != pair[1]
        }
        if len(pairs) > STATES_LIMIT:
            return False
    return all(_present(happened) == _present(not_happened) for happened, not_happened in pairs)


def _is_settled(event: ProfileEvent, later: Iterable[ProfileEvent]) -> bool:
    """Say whether a later certain event replaces whatever an event in doubt may have done.

    This is cheap for any number of missing answers. `_is_irrelevant` finds the other cases.
    """
    if event.verdict not in IN_DOUBT:
        return False
    for other in (other for other in later if other.verdict == "accepted"):
        if other.clears == {} or (other.clears is not None and other.clears == event.clears):
            return True
        if event.installs is not None and other.installs is not None:
            same_number = event.installs.charging_profile_id == other.installs.charging_profile_id
            if same_number and event.installs.place == other.installs.place:
                return True
    return False


def _possible_states(events: Iterable[ProfileEvent]) -> tuple[tuple[PossibleState, ...], bool]:
    states, overflow = _reached(events)
    return tuple(dict.fromkeys(map(_present, states))), overflow


def _reached(events: Iterable[ProfileEvent]) -> tuple[tuple[PossibleState, ...], bool]:
    """Return the states that events lead to, ended profiles included, and whether there are too many."""
    states: dict[PossibleState, None] = {(): None}
    for event in events:
        after: dict[PossibleState, None] = {}
        for state in states:
            after.update(dict.fromkeys(_branches(event, state)))
        if len(after) > STATES_LIMIT:
            return ((),), True
        states = after
    return tuple(states), False


def _present(state: PossibleState) -> PossibleState:
    return tuple(item for item in state if not item.ended)


def _branches(event: ProfileEvent, state: PossibleState) -> tuple[PossibleState, ...]:
    match event.verdict:
        case "accepted":
            return (apply_event(event, state),)
        case "unknown" | "unconfirmed":
            # If the ledger has a profile that the charge point did not find, either of them may be wrong.
            return (state, apply_event(event, state))
        case "rejected" | "not_supported":
            return (state,)


def apply_event(event: ProfileEvent, state: PossibleState) -> PossibleState:
    """Return the state after the charge point has carried out a request."""
    if event.clears is not None:
        filters = event.clears
        return tuple(item for item in state if not is_cleared(item, filters))
    if event.installs is None:
        return state
    fresh = event.installs
    if fresh in state:
        return tuple(fresh if item == fresh else item for item in state)
    kept = tuple(
        item
        for item in state
        if item.charging_profile_id != fresh.charging_profile_id and item.place != fresh.place
    )
    return (*kept, fresh)


def is_cleared(item: Installed, filters: Json) -> bool:
    """Say whether ClearChargingProfile names a profile: by `id` alone (errata 3.26), else by all filters."""
    if "id" in filters:
        return bool(item.charging_profile_id == filters["id"])
    found = {
        "connectorId": item.connector_id,
        "chargingProfilePurpose": item.profile["chargingProfilePurpose"],
        "stackLevel": item.profile["stackLevel"],
    }
    return all(found[name] == wanted for name, wanted in filters.items() if name in found)


def _newest_refusals(events: Iterable[ProfileEvent]) -> tuple[ProfileEvent, ...]:
    newest: dict[int, ProfileEvent] = {}
    for event in events:
        if event.installs is not None:
            newest.pop(event.installs.charging_profile_id, None)
            if event.verdict in _REFUSED:
                newest[event.installs.charging_profile_id] = event
        elif event.verdict == "accepted":
            newest = {key: old for key, old in newest.items() if not _is_forgotten(old, event)}
    return tuple(newest.values())[-REFUSALS_LIMIT:]


def _is_forgotten(refusal: ProfileEvent, clear: ProfileEvent) -> bool:
    return refusal.installs is not None and is_cleared(refusal.installs, clear.clears or {})
