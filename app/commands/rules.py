"""How a CALL of ours ended, in terms of the command's states. Pure values."""

from dataclasses import dataclass
from typing import assert_never

from app.commands.records import CommandState
from app.commands.request import REDACTED, is_authorization_key
from app.ocpp import Resolve
from app.types import Json

_AGREED = frozenset({"Accepted", "AcceptedCanceled", "RebootRequired", "Scheduled", "Unlocked"})
"""The values of `status` that say yes, over all responses of a charge point."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A terminal state, with what the charge point answered.

    status: the response's `status`, None when it has none or there was no response. answered: the charge
    point has dealt with the CALL; if not, whether it has is unknown or it never got it.
    """

    state: CommandState
    result: Json | None = None
    error: Json | None = None
    status: str | None = None
    answered: bool = False

    @property
    def late_result(self) -> Json:
        """The same, as it is kept when it comes after the end of the command."""
        return {"state": self.state, "result": self.result, "error": self.error}


def outcome_of(resolve: Resolve) -> Outcome:
    """Translate what the core says of a CALL."""
    match resolve.outcome:
        case "result":
            return _of_result(resolve.payload or {})
        case "call_error":
            return Outcome("call_error", error=_error(resolve), answered=True)
        case "invalid_result":
            # An answer nobody can read is no success; what could be read of it is kept.
            result = None if resolve.payload is None else without_secrets(resolve.payload)
            return Outcome("call_error", result=result, error=_error(resolve), answered=True)
        case "timed_out":
            return Outcome("timed_out")
        case "connection_lost":
            return Outcome("connection_lost")
        case "not_sent":
            return Outcome("offline")
        case _:
            assert_never(resolve.outcome)


def without_secrets(payload: Json) -> Json:
    """Return a response without the AuthorizationKey, write-only though some charge points report it."""
    entries = payload.get("configurationKey")
    if not isinstance(entries, list):
        return payload
    return {**payload, "configurationKey": [_without_secret(entry) for entry in entries]}


def _without_secret(entry: object) -> object:
    if isinstance(entry, dict) and is_authorization_key(entry.get("key")) and "value" in entry:
        return {**entry, "value": REDACTED}
    return entry


def _of_result(payload: Json) -> Outcome:
    status = payload.get("status")
    state: CommandState = "accepted" if status is None or status in _AGREED else "rejected"
    return Outcome(state, result=without_secrets(payload), status=status, answered=True)


def _error(resolve: Resolve) -> Json:
    return {"code": resolve.error_code or "GenericError", "description": resolve.error_description or ""}
