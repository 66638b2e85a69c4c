"""The ledger: which charging profiles a charge point has accepted (OCPP 1.6 3.13, 5.5, 5.16). Pure values.

OCPP 1.6 cannot read profiles back, so the ledger is folded from what was sent and what was answered, in the
order of sending. An answer that never came leaves two possible states: one where the charge point did it, one
where it did not. Later certain events bring the states together again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.types import Json

Verdict = Literal["accepted", "unknown", "rejected", "not_supported", "unconfirmed"]
"""What became of a request. unknown: a clear that met nothing; unconfirmed: nobody knows."""

STATES_LIMIT = 64
"""Possible states that are kept apart; with more the charge point counts as not limited."""
_REFUSED: tuple[Verdict, ...] = ("rejected", "not_supported")
_IN_DOUBT: tuple[Verdict, ...] = ("unconfirmed", "unknown")
"""What may have been done, or not: each leaves two states."""
REFUSALS_LIMIT = 50
"""Refused profiles that are remembered for a charge point."""
TRIES_AT_EACH_END = 4
"""Tries in doubt of the same that are kept of a row of them: so many of the oldest and of the newest."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A profile that may be on the charge point. The same one sent twice is equal to itself.

    connector_id: None while a remote start has not found its connector. profile: as sent, with the
    transactionId that a TxProfile turned out to belong to. waiting: its transaction has not begun; ended: its
    transaction is over, and it with it (3.13.1).
    """

    command_id: UUID = field(compare=False)
    connector_id: int | None
    profile: Json = field(hash=False)
    waiting: bool = False
    ended: bool = False

    @property
    def charging_profile_id(self) -> int:
        """The number on the wire."""
        return int(self.profile["chargingProfileId"])

    @property
    def place(self) -> tuple[object, ...]:
        """What only one profile can have: purpose, level and connector; of a TxProfile the transaction."""
        purpose = self.profile["chargingProfilePurpose"]
        transaction = self.profile.get("transactionId") if purpose == "TxProfile" else None
        # Two remote starts that wait are for two transactions.
        waiting = self.command_id if self.waiting else None
        return (purpose, self.profile["stackLevel"], self.connector_id, transaction, waiting)


@dataclass(frozen=True, slots=True)
class ProfileEvent:
    """A request that was sent, and what became of it.

    installs: the profile it carries, None for a clear; clears: the filters of a ClearChargingProfile, else
    None. reason: code of the CALLERROR, if it was answered by one.
    """

    command_id: UUID
    at: datetime
    verdict: Verdict
    installs: Installed | None = None
    clears: Json | None = None
    reason: str | None = None


PossibleState = tuple[Installed, ...]
"""Profiles in the order in which the charge point accepted them."""


@dataclass(frozen=True, slots=True)
class ProfileLedger:
    """What is, or may be, on a charge point.

    states: each possible state, at least one; overflow: there are more than are kept, and nothing can be
    said. anywhere: the profiles that may be there, in the order of sending. denied: the numbers of those that
    the charge point says it does not have, as a clear found nothing and they were not sent since. refused:
    the newest refusal of each profile that was not accepted since. superseded: the events that can be
    forgotten, whatever may yet be answered to them.
    """

    states: tuple[PossibleState, ...]
    overflow: bool
    anywhere: PossibleState
    denied: frozenset[int]
    refused: tuple[ProfileEvent, ...]
    superseded: frozenset[UUID]

    @property
    def certain(self) -> bool:
        """Whether there is one possible state only."""
        return len(self.states) == 1 and not self.overflow

    def everywhere(self) -> PossibleState:
        """The profiles that are on the charge point in every possible state."""
        return tuple(item for item in self.states[0] if all(item in state for state in self.states))


def fold_ledger(events: Sequence[ProfileEvent]) -> ProfileLedger:
    """Return the ledger after events that are in the order of sending."""
    alive = _without_indifferent(events)
    states, overflow = _possible_states(alive)
    refused = _newest_refusals(alive)
    kept = {event.command_id for event in refused}
    if len(states) == 1 and not overflow:
        # Whatever is not there now was removed by something certain, and cannot come back.
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
    return ProfileLedger(states, overflow, anywhere, _denied(alive, anywhere), refused, superseded)


def _denied(events: Iterable[ProfileEvent], anywhere: PossibleState) -> frozenset[int]:
    denied: set[int] = set()
    for event in events:
        if event.installs is not None and event.verdict not in _REFUSED:
            denied.discard(event.installs.charging_profile_id)
        elif event.clears is not None and event.verdict == "unknown":
            filters = event.clears
            denied |= {item.charging_profile_id for item in anywhere if is_cleared(item, filters)}
    return frozenset(denied)


def _without_indifferent(events: Sequence[ProfileEvent]) -> list[ProfileEvent]:
    """Drop the events in doubt whose outcome makes no difference any more."""
    alive = [event for number, event in enumerate(events) if not _is_settled(event, events[number + 1 :])]
    alive = _without_repetitions(alive)
    for event in [event for event in alive if event.verdict in _IN_DOUBT]:
        number = next(number for number, other in enumerate(alive) if other is event)
        if _is_indifferent(event, alive[:number], alive[number + 1 :]):
            del alive[number]
    return alive


def _without_repetitions(events: Iterable[ProfileEvent]) -> list[ProfileEvent]:
    """Keep the ends of each row of tries of the same that are in doubt, or there is no end of them.

    A charge point may be silent, or say each time that it found nothing to clear. The oldest are hardly
    answered any more, so they keep the doubt; an answer to the newest can settle it.
    """
    alive: list[ProfileEvent] = []
    rows: list[list[ProfileEvent]] = []
    for event in events:
        if event.verdict in _IN_DOUBT:
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


def _is_indifferent(
    event: ProfileEvent, earlier: Iterable[ProfileEvent], later: Iterable[ProfileEvent]
) -> bool:
    """Say whether all ends the same with and without an event, however each other open one turns out."""
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
    """Say whether something certain has done all that an event in doubt could have done, and undone it.

    Cheap, and good for any number of open answers; the states decide on what it does not see.
    """
    if event.verdict not in _IN_DOUBT:
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
    """The states that events lead to, with what has ended since; True: too many of them."""
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
            # Where it found nothing to clear and we know of something, we or the charge point may be wrong.
            return (state, apply_event(event, state))
        case "rejected" | "not_supported":
            return (state,)


def apply_event(event: ProfileEvent, state: PossibleState) -> PossibleState:
    """Return a state after the charge point has carried out what was asked of it."""
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
    """Say whether ClearChargingProfile names a profile: by its id alone (errata 3.26), else all must fit."""
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
