"""The rules of commands: their states, what a caller may ask for, and how a CALL ended. Pure values.

`TRANSITIONS` is the state machine. The store derives its guards from it. A command ends in time in three
places: `expired` by `owner.CommandOwner.withdraw_overdue` if it was not sent; `timed_out` by the core's link
(`Session.expire_calls`) if its answer did not come; either one by `reaper` if its worker has lost it. An end
that says that nothing was sent is recorded only when nothing can be sent any more.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, assert_never

import orjson

from app.commands.locations import require_location
from app.commands.records import CommandRecord, CommandRequest, CommandState
from app.errors import Conflict, FieldViolation, InvalidInput
from app.near_names import UnknownName
from app.ocpp import Protocol, Resolve, messages_of, redact
from app.ocpp.v16 import RegistrationStatus
from app.settings import Settings
from app.types import Json

Actor = Literal["issuer", "owner", "reaper", "line"]
"""A cause of a change: the worker that issued the command, the one that owns the session, the reaper, or a
worker that has locked the line of commands that wait for a charge point."""

_ISSUER: Final = frozenset[Actor]({"issuer"})
_OWNER: Final = frozenset[Actor]({"owner"})
_LINE: Final = frozenset[Actor]({"line"})
_WORKERS: Final = _ISSUER | _OWNER
_OWNER_OR_REAPER: Final = frozenset[Actor]({"owner", "reaper"})
_ALL: Final = _WORKERS | _OWNER_OR_REAPER

TRANSITIONS: Final[Mapping[CommandState | None, Mapping[CommandState, frozenset[Actor]]]] = {
    # None: the command is new.
    None: {
        "queued": _ISSUER,  # the charge point is connected
        "offline": _ISSUER,  # it is not
        "waiting": _ISSUER,  # it may wait until it can be sent
    },
    "waiting": {
        "queued": _LINE,  # it was taken for a session
        "cancelled": _LINE,
        "expired": _LINE,  # not sent by its deadline, or its registration forbids it
        "offline": _LINE,  # its time has come, and the charge point is not connected
    },
    "queued": {
        "waiting": _WORKERS,  # the session ended before it was sent
        "sent": _OWNER,
        "cancelled": _WORKERS,
        "expired": _ALL,  # not sent by its deadline
        "offline": _WORKERS,  # the session ended before it was sent, and no other began
        "connection_lost": _ALL,  # it is not known whether it was sent
        # The sending is recorded in the background, so the end may come first.
        "accepted": _OWNER,
        "rejected": _OWNER,
        "call_error": _OWNER,
        "timed_out": _OWNER,
    },
    "sent": {
        "accepted": _OWNER,
        "rejected": _OWNER,
        "call_error": _OWNER,
        "timed_out": _OWNER_OR_REAPER,
        "connection_lost": _ALL,
        # A second delivery, or a request to cancel, may reach a worker after the session has moved.
        "cancelled": _WORKERS,
        "expired": _OWNER,
        "offline": _WORKERS,
    },
}
"""From each state: the states that may follow, and who may cause them. All others are terminal.

The first terminal state stays.
"""

OPEN_COMMAND_STATES: Final = tuple(state for state in TRANSITIONS if state is not None)
"""The states that are not terminal."""

_AGREED = frozenset({"Accepted", "AcceptedCanceled", "RebootRequired", "Scheduled", "Unlocked"})
"""The values of `status` that say yes, over all responses of a charge point."""

AWAITS_EFFECT: Final[tuple[CommandState, ...]] = (
    "queued",
    "sent",
    "accepted",
    "timed_out",
    "connection_lost",
    "expired",
)
"""States in which a remote start or stop may have led to what a charge point reports: it did not refuse it.

A `call_error` with the code `UNREADABLE_ANSWER` belongs to them.
"""

UNREADABLE_ANSWER: Final = "unreadable_answer"
"""The code of a `call_error` whose answer was damaged or breaks the definition: it refuses nothing."""


def may_have_effect(state: CommandState, error: Json | None) -> bool:
    """Tell whether a command in a state may have, or get, an effect: it was not refused."""
    return state in AWAITS_EFFECT or (error is not None and error.get("code") == UNREADABLE_ANSWER)


REDACTED = "***"
"""The text that records show in place of a secret."""

_SHORTEST_TIMEOUT_S = 1.0
_SLOW_ACTIONS: Final = {
    "CertificateSigned": 60.0,
    "GetCompositeSchedule": 60.0,
    "GetConfiguration": 60.0,
    "GetInstalledCertificateIds": 60.0,
    "InstallCertificate": 60.0,
    "SendLocalList": 120.0,
    "SetChargingProfile": 60.0,
}
"""Seconds for the answers that take some charge points long: they write flash, or answer with much."""
_REMOTE_CONTROL = frozenset({"RemoteStartTransaction", "RemoteStopTransaction"})


def sources(target: CommandState, by: Actor) -> tuple[CommandState, ...]:
    """Return the states that an actor may change into `target`.

    Raises:
        ValueError: there is none, so that the actor may never cause this state.
    """
    found = tuple(state for state in OPEN_COMMAND_STATES if by in TRANSITIONS[state].get(target, ()))
    if not found:
        raise ValueError(f"the {by} may never set the state {target}")
    return found


@dataclass(frozen=True, slots=True)
class JudgedRequest:
    """A request that is valid. payload: what may be stored; payload_text: what is sent to the charge point.

    new_key: the AuthorizationKey that it sets, None for every other command; digest: equal for equal
    requests, so that a repeated idempotency key can be told from a reused one; has_secrets: `payload` lacks
    something.
    """

    request: CommandRequest
    payload: Json
    payload_text: str = field(repr=False)
    timeout_s: float
    digest: bytes
    has_secrets: bool = False
    new_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A terminal state, with what the charge point answered.

    status: the response's `status`, None if it has none or there was no response. answered: the charge point
    has processed the CALL; False: that is unknown, or it never received the CALL.
    """

    state: CommandState
    result: Json | None = None
    error: Json | None = None
    status: str | None = None
    answered: bool = False

    @property
    def is_in_doubt(self) -> bool:
        """Tell whether the charge point may have done what was asked, or not."""
        unreadable = self.error is not None and self.error.get("code") == UNREADABLE_ANSWER
        return unreadable or self.state in ("timed_out", "connection_lost")

    @property
    def late_result(self) -> Json:
        """The outcome as it is stored if it comes after the end of the command."""
        return {"state": self.state, "result": self.result, "error": self.error}

    def is_end_of(self, command: CommandRecord) -> bool:
        """Tell whether a command has ended with this very outcome."""
        return (command.state, command.result, command.error) == (self.state, self.result, self.error)


def judge_request(request: CommandRequest, protocol: Protocol, settings: Settings) -> JudgedRequest:
    """Judge a request strictly by a version of OCPP.

    Raises:
        NotFound: the central system sends no such action.
        InvalidInput: payload or timeout break a rule.
    """
    timeout = request.timeout_s
    if timeout is None:
        timeout = default_timeout_s(request.action, settings)
    longest = settings.command_timeout_limit_s
    if not _SHORTEST_TIMEOUT_S <= timeout <= longest:
        detail = f"must be between {_SHORTEST_TIMEOUT_S:g} and {longest:g} seconds"
        raise InvalidInput([FieldViolation("timeout_s", "out_of_range", detail)])
    action, text = request.action, request.payload_text.strip() or "{}"
    payload = _judge_payload(protocol, action, text)
    require_location(action, payload)
    parts = [request.identity, action, text, repr(timeout)]
    if may_wait(request):
        terms = (request.when_offline, request.not_before, request.expires_in_s, request.expires_at)
        parts += map(str, terms)
    digest = _digest(settings.credential_pepper, *parts)
    new_key = payload["value"] if sets_authorization_key(action, payload) else None
    shown = without_secrets(payload)
    return JudgedRequest(request, shown, text, timeout, digest, shown is not payload, new_key)


def default_timeout_s(action: str, settings: Settings) -> float:
    """Return how long a charge point has for its answer, if the request does not say it."""
    named = dict(text.split("=") for text in settings.command_timeouts)
    if action in named:
        return float(named[action])
    slow = min(_SLOW_ACTIONS.get(action, 0.0), settings.command_timeout_limit_s)
    return max(settings.call_timeout_s, slow)


def has_effects(triggers: Mapping[str, Collection[str | None]], action: str, payload: Json) -> bool:
    """Tell whether the end of a command may change other rows, which then need its unit of work.

    triggers: by action the members of a payload of which one is needed; None: the action alone is enough.
    """
    return any(member is None or member in payload for member in triggers.get(action, ()))


def may_wait(request: CommandRequest) -> bool:
    """Tell whether a command waits in the database until it can be sent."""
    return request.when_offline is not None or request.not_before is not None


def refusing_registrations(action: str) -> tuple[RegistrationStatus, ...]:
    """Return the registrations of a charge point that forbid an action (OCPP 1.6 4.2)."""
    return ("Rejected", "Pending") if action in _REMOTE_CONTROL else ("Rejected",)


def require_permitted(status: RegistrationStatus, action: str) -> None:
    """Refuse what the registration of the charge point forbids.

    Raises:
        Conflict: it is Rejected, or it is Pending and the command starts or stops a transaction.
    """
    if status not in refusing_registrations(action):
        return
    if status == "Rejected":
        raise Conflict("The charge point's registration is Rejected: it accepts no commands.")
    raise Conflict(f"The charge point's registration is Pending: {action} must wait until it is Accepted.")


def is_authorization_key(key: object) -> bool:
    """Tell whether a configuration key is the AuthorizationKey.

    Keys are case-insensitive (OCPP 1.6 7.29), and some charge points ignore the blanks around them.
    """
    return isinstance(key, str) and key.strip().lower() == "authorizationkey"


def sets_authorization_key(action: str, payload: Json) -> bool:
    """Tell whether a CALL changes the credential of the charge point."""
    return action == "ChangeConfiguration" and is_authorization_key(payload.get("key"))


def outcome_of(resolve: Resolve) -> Outcome:
    """Return how a CALL ended, from what the core says of it."""
    match resolve.outcome:
        case "result":
            return _of_result(resolve, resolve.payload or {})
        case "call_error":
            return Outcome("call_error", error=_error(resolve), answered=True)
        case "invalid_result" | "unreadable_answer":
            error = _unreadable(resolve.error_description or "", resolve.text)
            return Outcome("call_error", error=error, answered=True)
        case "timed_out":
            return Outcome("timed_out")
        case "connection_lost":
            return Outcome("connection_lost")
        case "not_sent":
            return Outcome("offline")
        case _:
            assert_never(resolve.outcome)


def without_secrets(payload: Json) -> Json:
    """Return a payload without its secrets: values of keys such as AuthorizationKey, passwords in URLs."""
    text = orjson.dumps(payload).decode()
    shown = redact(text)
    return payload if shown == text else orjson.loads(shown)


def _of_result(resolve: Resolve, payload: Json) -> Outcome:
    status, result = payload.get("status"), without_secrets(payload)
    if any(found.kind == "unknown_value" and found.pointer == "/status" for found in resolve.deviations):
        # It is neither a yes nor a no.
        error = _unreadable("/status: not a value of the standard", None)
        return Outcome("call_error", result=result, error=error, status=status, answered=True)
    state: CommandState = "accepted" if status is None or status in _AGREED else "rejected"
    return Outcome(state, result=result, status=status, answered=True)


def _unreadable(description: str, text: str | None) -> Json:
    kept = {} if text is None else {"text": text}
    return {"code": UNREADABLE_ANSWER, "description": description, **kept}


def _error(resolve: Resolve) -> Json:
    return {"code": resolve.error_code or "GenericError", "description": resolve.error_description or ""}


def _judge_payload(protocol: Protocol, action: str, text: str) -> Json:
    try:
        verdict = protocol.check_call("central_system", action, text)
    except KeyError:
        known = [message["action"] for message in messages_of(protocol, "central_system")]
        raise UnknownName(f"OCPP {protocol.version} command", action, known, "action") from None
    if verdict.violations:
        raise InvalidInput([FieldViolation(v.pointer, v.reason, v.detail) for v in verdict.violations])
    return verdict.payload or {}


def _digest(pepper: str, *parts: str) -> bytes:
    # Keyed, because the text may hold a credential.
    text = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    return hmac.digest(pepper.encode(), text, hashlib.sha256)
