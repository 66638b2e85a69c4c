"""Decides which configuration a charge point should have, and what to send next to get there.

Planning is pure: `plan` takes what is desired, what is known and how far each key has come, and returns one
step. A change is counted before it is sent, and each change of a key waits longer than the one before, so a
charge point that refuses a value or changes it back is not asked in a loop.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from app.charge_points.records import ChargePointRecord
from app.charge_points.rules import fits
from app.commands.rules import REDACTED
from app.configuration.records import (
    ConfigurationRecord,
    ConfigurationTemplate,
    DesiredKey,
    KeyState,
    KeyView,
)
from app.errors import FieldViolation, InvalidInput
from app.ocpp import is_secret_name

READ_AT_ONCE: Final = 20
"""Keys of one GetConfiguration, if the charge point does not tell its GetConfigurationMaxKeys."""
SETTLED_AFTER: Final = timedelta(days=1)
"""A key that was in sync for so long may be changed at once if it drifts."""
_FIRST_PAUSE: Final = timedelta(minutes=5)
_REJECTED_PAUSE: Final = timedelta(hours=1)
_LONGEST_PAUSE: Final = timedelta(hours=24)
_NOT_SUPPORTED_PAUSE: Final = timedelta(days=7)
_UNANSWERED_PAUSE: Final = timedelta(hours=6)

KeyTypes = Mapping[str, Mapping[str, Any]]
"""The definition of each key of the standard, by its name in lower case."""


# Values


def key_types(configuration_keys: Collection[Mapping[str, Any]]) -> KeyTypes:
    """Return the definitions of the keys of a version of OCPP, by their name in lower case."""
    return {entry["name"].lower(): entry for entry in configuration_keys}


def is_same_value(types: KeyTypes, key: str, one: str, other: str) -> bool:
    """Tell whether two texts are one value of a key: by its type, or of a vendor's key as boolean or text."""
    if one == other:
        return True
    kind = types.get(key.lower(), {}).get("type")
    if kind == "integer":
        return _integer(one) is not None and _integer(one) == _integer(other)
    if kind == "CSL":
        return _members(one) == _members(other)
    is_boolean = one.strip().lower() in ("true", "false")
    return kind in ("boolean", None) and is_boolean and one.strip().lower() == other.strip().lower()


def _integer(text: str) -> int | None:
    plain = text.strip()
    digits = plain.removeprefix("-")
    return int(plain) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else None


def _members(text: str) -> list[str]:
    return [member.strip() for member in text.split(",")]


def require_settable(types: KeyTypes, keys: Mapping[str, str]) -> None:
    """Refuse desired keys that no ChangeConfiguration may set, and values that the standard forbids.

    Raises:
        InvalidInput: names each by its pointer: AuthorizationKey, SecurityProfile, a read-only key, a value
            of another type, the mark of a hidden secret, or two keys that differ in case only.
    """
    faults: list[FieldViolation] = []
    seen: set[str] = set()
    for key, value in keys.items():
        folded, pointer = key.strip().lower(), f"/keys/{key.replace('~', '~0').replace('/', '~1')}"
        definition = types.get(folded, {})
        if folded in seen:
            faults.append(FieldViolation(pointer, "duplicate_key", "differs from another key in case only"))
        seen.add(folded)
        if folded == "authorizationkey":
            detail = "is a credential: use PUT /v1/charge-points/{identity}/credentials, or the command"
            faults.append(FieldViolation(pointer, "credential", detail))
        elif folded == "securityprofile":
            # A lower one locks out each charge point that takes it, and a higher one has prerequisites.
            detail = "is raised for each charge point: use POST /v1/charge-points/{identity}/security-profile"
            faults.append(FieldViolation(pointer, "security_profile", detail))
        elif definition.get("access") == "R":
            faults.append(FieldViolation(pointer, "read_only", "is read-only by the standard"))
        elif definition.get("type") == "integer" and _integer(value) is None:
            faults.append(FieldViolation(pointer, "not_an_integer", "must be an integer"))
        elif definition.get("type") == "boolean" and value.strip().lower() not in ("true", "false"):
            faults.append(FieldViolation(pointer, "not_a_boolean", "must be true or false"))
        elif is_secret_name(key) and set(value) == {"*"}:
            faults.append(FieldViolation(pointer, "hidden_secret", "is the mark of a hidden secret"))
    if faults:
        raise InvalidInput(faults[:50])


# What is desired


def resolve(
    templates: Collection[ConfigurationTemplate], own: Mapping[str, str], charge_point: ChargePointRecord
) -> dict[str, DesiredKey]:
    """Return what a charge point should have, by key in lower case. Its own keys come before templates."""
    desired: dict[str, DesiredKey] = {}
    for template in sorted(templates, key=lambda item: (item.priority, _reversed(item.name))):
        if fits(template.filters, charge_point):
            for key, value in template.keys.items():
                desired[key.lower()] = DesiredKey(key, value, template.name)
    for key, value in own.items():
        desired[key.lower()] = DesiredKey(key, value)
    return desired


def _reversed(name: str) -> tuple[int, ...]:
    # Later ones win, and of equal priority the first by name has to win. A name is before its extensions.
    return (*(-ord(character) for character in name), 1)


# Progress of a key


def fresh_state(folded_key: str, value: str, at: datetime) -> KeyState:
    """Return the state of a key that is desired from now on."""
    return KeyState(folded_key, value, "pending", 0, at, at)


def after_sending(state: KeyState, at: datetime) -> KeyState:
    """Return the state of a key whose change is about to be sent."""
    attempts = state.attempts + 1
    next_at = at + pause(_FIRST_PAUSE, attempts)
    return replace(state, state="sent", attempts=attempts, next_at=next_at, since=at, read_at=None)


def after_answer(state: KeyState, status: str | None, at: datetime) -> KeyState:
    """Return the state of a key after the end of its change. status None: no answer, or an error."""
    match status:
        case "Accepted":
            return replace(state, state="accepted", since=at, read_at=None)
        case "RebootRequired":
            return replace(state, state="reboot_required", since=at, read_at=None)
        case "Rejected":
            next_at = at + pause(_REJECTED_PAUSE, state.attempts)
            return replace(state, state="rejected", since=at, next_at=next_at)
        case "NotSupported":
            return replace(state, state="not_supported", since=at, next_at=at + _NOT_SUPPORTED_PAUSE)
        case _:
            return replace(state, state="failed", since=at, read_at=None)


def is_answer_about(state: KeyState, key: str, value: str, *, is_own: bool) -> bool:
    """Tell whether the end of a change is about the value that is desired now: a late one may not be.

    is_own: the reconciler has sent it. The value of a secret key is hidden, so only what was sent is
    answered.
    """
    if is_secret_name(key):
        return is_own and state.state in ("sent", "failed")
    return state.value == value


def pause(first: timedelta, attempts: int) -> timedelta:
    """Return the pause after so many attempts: each is twice the one before, up to a day."""
    doubled: timedelta = first * 2 ** min(max(attempts - 1, 0), 16)
    return min(doubled, _LONGEST_PAUSE)


def pause_after_silence(failures: int) -> timedelta:
    """Return how long a charge point that did not answer is left alone."""
    return min(pause(_FIRST_PAUSE, failures), _UNANSWERED_PAUSE)


def settled(
    state: KeyState,
    known: ConfigurationRecord | None,
    *,
    shows: bool,
    booted_at: datetime | None,
    now: datetime,
) -> KeyState:
    """Return a state after a look at what is known of its key.

    Args:
        state: As stored.
        known: What the charge point reported or accepted last.
        shows: Whether that is the desired value.
        booted_at: When it booted last.
        now: The time.
    """
    if state.state == "reboot_required" and (booted_at is None or booted_at <= state.since):
        return state
    if state.state in ("sent", "accepted", "failed", "reboot_required"):
        was_read = state.read_at is not None and (
            state.state != "reboot_required" or (booted_at is not None and state.read_at >= booted_at)
        )
        if not was_read:
            is_overdue = state.state == "sent" and now >= state.next_at
            return replace(state, state="failed", since=now) if is_overdue else state
        is_shown = known is not None and known.value is not None and _was_in(known, state)
        if is_shown and shows:
            return replace(state, state="in_sync", since=now)
        if state.state in ("sent", "failed"):
            return state
        return replace(state, state="drifted" if is_shown else "unverified", since=now)
    if known is None or known.value is None:
        return state
    if shows:
        return (
            state if state.state in ("in_sync", "unverified") else replace(state, state="in_sync", since=now)
        )
    if state.state == "in_sync" or (state.state == "unverified" and known.source == "GetConfiguration"):
        if now - state.since >= SETTLED_AFTER:
            return replace(state, state="drifted", attempts=0, next_at=now, since=now)
        return replace(state, state="drifted", since=now)
    return state


def _was_in(known: ConfigurationRecord, state: KeyState) -> bool:
    """Tell whether the answer that `read_at` is about, or a later one, has shown the value."""
    return state.read_at is not None and known.reported_at >= state.read_at


# The next step


class WaitStep(NamedTuple):
    """Nothing can be done now. until: when that changes by itself; None: when something happens."""

    until: datetime | None


class ChangeStep(NamedTuple):
    """Send ChangeConfiguration. state: of its key, as it is to be stored before."""

    key: str
    value: str
    state: KeyState


class ReadStep(NamedTuple):
    """Send GetConfiguration for these keys."""

    keys: tuple[str, ...]


Step = WaitStep | ChangeStep | ReadStep


class Planned(NamedTuple):
    """states: of all desired keys, as they are to be stored, by key in lower case; step: what to do."""

    states: dict[str, KeyState]
    step: Step


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts about a charge point. known: by key in lower case; booted_at: None if it never booted."""

    types: KeyTypes
    known: Mapping[str, ConfigurationRecord]
    booted_at: datetime | None
    now: datetime


def plan(desired: Mapping[str, DesiredKey], states: Mapping[str, KeyState], situation: Situation) -> Planned:
    """Return how far the desired keys have come, and the next step: first reads, then one change.

    Args:
        desired: By key in lower case.
        states: As stored; those of other keys, or of other desired values, are forgotten.
        situation: What is known.
    """
    now = situation.now
    current: dict[str, KeyState] = {}
    for folded, wanted in desired.items():
        stored = states.get(folded)
        state = stored if stored is not None and stored.value == wanted.value else None
        state = state or fresh_state(folded, wanted.value, now)
        known = _visible(situation.known.get(folded))
        value = None if known is None else known.value
        shows = value is not None and is_same_value(situation.types, folded, value, wanted.value)
        current[folded] = settled(state, known, shows=shows, booted_at=situation.booted_at, now=now)
    unread = [desired[folded].key for folded in sorted(current) if _is_to_read(current[folded], situation)]
    if unread:
        return Planned(current, ReadStep(tuple(unread[: max_keys(situation.known)])))
    open_ones = [state for state in current.values() if state.state in _TO_CHANGE]
    ready = sorted(
        (state for state in open_ones if state.next_at <= now),
        key=lambda state: (state.next_at, state.folded_key),
    )
    if ready:
        wanted = desired[ready[0].folded_key]
        sent = after_sending(ready[0], now)
        return Planned({**current, sent.folded_key: sent}, ChangeStep(wanted.key, wanted.value, sent))
    times = [state.next_at for state in current.values() if state.state in (*_TO_CHANGE, "sent")]
    return Planned(current, WaitStep(min(times) if times else None))


_TO_CHANGE: Final = ("pending", "drifted", "rejected", "not_supported", "failed")


def max_keys(known: Mapping[str, ConfigurationRecord]) -> int:
    """Return how many keys one GetConfiguration may ask a charge point for (OCPP 1.6 9.1.9)."""
    told = known.get("getconfigurationmaxkeys")
    number = None if told is None or told.value is None else _integer(told.value)
    return READ_AT_ONCE if number is None or number < 1 else min(number, READ_AT_ONCE)


def _visible(known: ConfigurationRecord | None) -> ConfigurationRecord | None:
    """Return what is known without the mark of a hidden secret, which equals no value."""
    if known is None or known.value is None or not is_secret_name(known.key):
        return known
    return replace(known, value=None)


def _is_to_read(state: KeyState, situation: Situation) -> bool:
    if state.state == "pending":
        return state.read_at is None and state.folded_key not in situation.known
    if state.state in ("accepted", "failed"):
        return state.read_at is None
    if state.state == "reboot_required":
        booted_at = situation.booted_at
        has_booted = booted_at is not None and booted_at > state.since
        return has_booted and (state.read_at is None or (booted_at is not None and state.read_at < booted_at))
    return False


def folded(keys: Sequence[ConfigurationRecord]) -> dict[str, ConfigurationRecord]:
    """Return the newest of the known keys that differ in case only, by key in lower case."""
    newest: dict[str, ConfigurationRecord] = {}
    for record in sorted(keys, key=lambda item: item.reported_at):
        newest[record.key.lower()] = record
    return newest


def key_views(
    known: Sequence[ConfigurationRecord], desired: Mapping[str, DesiredKey], states: Mapping[str, KeyState]
) -> list[KeyView]:
    """Return each key that is known or desired, by its name; secret desired values are hidden."""
    views = [
        KeyView(
            record.key,
            record.value,
            record.readonly,
            record.reported_at,
            record.source,
            record.issued_by,
            **_wanted(record.key.lower(), desired, states),
        )
        for record in known
    ]
    unknown = desired.keys() - {record.key.lower() for record in known}
    views += [KeyView(desired[key].key, **_wanted(key, desired, states)) for key in unknown]
    return sorted(views, key=lambda view: view.key)


def _wanted(
    folded_key: str, desired: Mapping[str, DesiredKey], states: Mapping[str, KeyState]
) -> dict[str, Any]:
    wanted = desired.get(folded_key)
    if wanted is None:
        return {}
    stored = states.get(folded_key)
    # A state of another value says nothing of this one, which no review has seen yet.
    is_current = stored is not None and stored.value == wanted.value
    return {
        "desired": REDACTED if is_secret_name(wanted.key) else wanted.value,
        "template": wanted.template,
        "state": stored.state if stored is not None and is_current else "pending",
        "since": stored.since if stored is not None and is_current else None,
    }
