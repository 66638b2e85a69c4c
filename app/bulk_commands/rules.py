"""Decides what a bulk may ask for, and how far it is. Pure values."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

import orjson

from app.bulk_commands.records import Bulk, BulkRequest, BulkState
from app.commands.records import CommandState
from app.commands.rules import OPEN_COMMAND_STATES
from app.errors import FieldViolation, InvalidInput

SHOWN_VIOLATIONS: Final = 20
"""Charge points that one refusal names."""
NEXT_LOOK: Final = timedelta(seconds=1)
NEXT_LOOK_WAITING: Final = timedelta(seconds=10)
"""Until the next look at a bulk of which no command can be sent now."""


def state_of(bulk: Bulk) -> BulkState:
    """Return the state of a bulk. It is `cancelled` as soon as it was asked for."""
    if bulk.record.cancelled_at is not None:
        return "cancelled"
    return "running" if bulk.record.ended_at is None else "ended"


def is_over(counts: Mapping[CommandState, int]) -> bool:
    """Tell whether no command of a bulk is open."""
    return not any(counts.get(state, 0) for state in OPEN_COMMAND_STATES)


def room(counts: Mapping[CommandState, int], concurrency: int) -> int:
    """Return how many more commands of a bulk may be under way."""
    return max(0, concurrency - counts.get("queued", 0) - counts.get("sent", 0))


def bulk_digest(command_digest: bytes, request: BulkRequest) -> bytes:
    """Return what is equal for equal requests."""
    targets = list(request.targets) if isinstance(request.targets, tuple) else request.filter_shown
    return hashlib.sha256(command_digest + orjson.dumps(targets, option=orjson.OPT_SORT_KEYS)).digest()


def require_distinct(identities: Sequence[str], limit: int) -> None:
    """Refuse a list that names a charge point twice, or too many.

    Raises:
        InvalidInput: it does.
    """
    if len(identities) > limit:
        detail = f"a bulk has at most {limit} charge points"
        raise InvalidInput([FieldViolation("/charge_points", "too_many", detail)])
    first: dict[str, int] = {}
    for place, identity in enumerate(identities):
        if first.setdefault(identity, place) != place:
            pointer = f"/charge_points/{place}"
            raise InvalidInput([FieldViolation(pointer, "duplicate", f"{identity!r} is listed twice")])


def require_known(identities: Sequence[str], known: Collection[str]) -> None:
    """Refuse identities that the tenant does not have.

    Raises:
        InvalidInput: it names the first of them.
    """
    missing = [
        FieldViolation(f"/charge_points/{place}", "not_found", f"there is no charge point {identity!r}")
        for place, identity in enumerate(identities)
        if identity not in known
    ]
    if missing:
        raise InvalidInput(missing[:SHOWN_VIOLATIONS])


def require_found(count: int, limit: int) -> None:
    """Refuse a filter that finds no charge point, or too many.

    Raises:
        InvalidInput: it does.
    """
    if count == 0:
        raise InvalidInput([FieldViolation("/filter", "not_found", "it finds no charge point")])
    if count > limit:
        detail = f"it finds more than the {limit} charge points that a bulk may have"
        raise InvalidInput([FieldViolation("/filter", "too_many", detail)])


def in_body(refusal: InvalidInput) -> InvalidInput:
    """Return the refusal of a command with the pointers of the body of a bulk."""
    return InvalidInput(
        [
            FieldViolation(
                f"/payload{found.pointer}" if found.place == "pointer" else f"/{found.pointer}",
                found.code,
                found.detail,
            )
            for found in refusal.violations
        ]
    )
