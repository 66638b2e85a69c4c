"""What a developer asks for, judged before it is recorded: action, payload, timeout, secrets. No I/O."""

import hashlib
import hmac
from dataclasses import dataclass, field

from app.charge_points.credentials import key_bytes
from app.errors import Conflict, FieldViolation, InvalidInput, NotFound
from app.ocpp import check_call
from app.ocpp.v16 import RegistrationStatus
from app.settings import Settings
from app.types import Json

REDACTED = "***"
"""Stands in records where a secret stood."""

_SHORTEST_TIMEOUT_S = 1.0
_REMOTE_CONTROL = frozenset({"RemoteStartTransaction", "RemoteStopTransaction"})


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A request that holds. payload: what may be stored; payload_text: what goes to the charge point.

    new_key: the bytes of the AuthorizationKey it sets, None for every other command; digest: equal for equal
    requests, tells a repeated idempotency key from a reused one.
    """

    action: str
    payload: Json
    payload_text: str = field(repr=False)
    timeout_s: float
    digest: bytes
    new_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who issued a command, and under which idempotency key if any."""

    issued_by: str
    idempotency_key: str | None


def is_authorization_key(key: object) -> bool:
    """Tell whether a configuration key is the AuthorizationKey; keys are case-insensitive (OCPP 1.6 7.29)."""
    return isinstance(key, str) and key.lower() == "authorizationkey"


def sets_authorization_key(action: str, payload: Json) -> bool:
    """Tell whether a CALL changes the credential of the charge point."""
    return action == "ChangeConfiguration" and is_authorization_key(payload.get("key"))


def judge_request(
    identity: str, action: str, payload_text: str, timeout_s: float | None, settings: Settings
) -> CommandRequest:
    """Judge a request strictly.

    Raises:
        NotFound: the action is none that a central system sends.
        InvalidInput: payload or timeout break a rule.
    """
    timeout = settings.call_timeout_s if timeout_s is None else timeout_s
    longest = settings.command_timeout_limit_s
    if not _SHORTEST_TIMEOUT_S <= timeout <= longest:
        detail = f"must be between {_SHORTEST_TIMEOUT_S:g} and {longest:g} seconds"
        raise InvalidInput([FieldViolation("timeout_s", "out_of_range", detail)])
    text = payload_text.strip() or "{}"
    payload = _judge_payload(action, text)
    digest = _digest(settings.credential_pepper, identity, action, text, repr(timeout))
    if not sets_authorization_key(action, payload):
        return CommandRequest(action, payload, text, timeout, digest)
    key = key_bytes(payload["value"])
    if key is None:
        detail = "must be 32 to 40 hexadecimal characters, or 16 to 20 characters of ASCII"
        raise InvalidInput([FieldViolation("/value", "authorization_key", detail)])
    return CommandRequest(action, {**payload, "value": REDACTED}, text, timeout, digest, key)


def refusing_registrations(action: str) -> tuple[RegistrationStatus, ...]:
    """Return the registrations of a charge point that do not permit an action (OCPP 1.6 4.2)."""
    return ("Rejected", "Pending") if action in _REMOTE_CONTROL else ("Rejected",)


def require_permitted(status: RegistrationStatus, action: str) -> None:
    """Refuse what the registration of the charge point does not permit.

    Raises:
        Conflict: it is Rejected, or it is Pending and the command starts or stops a transaction.
    """
    if status not in refusing_registrations(action):
        return
    if status == "Rejected":
        raise Conflict("The charge point's registration is Rejected: it must be left alone.")
    raise Conflict(f"The charge point's registration is Pending: {action} must wait until it is Accepted.")


def _judge_payload(action: str, text: str) -> Json:
    try:
        verdict = check_call("central_system", action, text)
    except KeyError:
        raise NotFound(f"{action} is no action of the central system in OCPP 1.6.", "action") from None
    if verdict.violations:
        raise InvalidInput([FieldViolation(v.pointer, v.reason, v.detail) for v in verdict.violations])
    return verdict.payload or {}


def _digest(pepper: str, *parts: str) -> bytes:
    # Keyed, for the text may hold a credential.
    text = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    return hmac.digest(pepper.encode(), text, hashlib.sha256)
