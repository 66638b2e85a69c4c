"""The refusals of a login: the answer of HTTP, and the reason that the operator sees."""

from dataclasses import dataclass, field

from app.charge_points.records import LoginLookup
from app.errors import AppError
from app.login_attempts.records import RefusalReason


@dataclass(frozen=True, slots=True)
class Denied:
    """A login that is refused with an HTTP answer. detail: what the operator may know besides the reason."""

    reason: RefusalReason
    error: AppError
    headers: dict[str, str] = field(default_factory=dict)
    detail: str | None = None


def denied_path(reason: RefusalReason, detail: str) -> Denied:
    """Refuse a path that is not exactly that of a charge point."""
    return Denied(reason, AppError("invalid_path", 400, "Bad request", detail, "path"))


def unauthorized(reason: RefusalReason, detail: str | None = None) -> Denied:
    """Make the refusal that is the same for all: it does not tell whether the charge point exists."""
    error = AppError("unauthorized", 401, "Unauthorized", "The credential is not that of the charge point.")
    return Denied(reason, error, {"WWW-Authenticate": 'Basic realm="ocpp"'}, detail)


def denied_identity(lookup: LoginLookup, reveal: bool) -> Denied:
    """Refuse an identity that the tenant does not have. reveal: tell the client so, by 404."""
    reason, detail = RefusalReason.UNKNOWN_IDENTITY, None
    if not lookup.tenant_exists:
        reason = RefusalReason.UNKNOWN_TENANT
    elif lookup.other_case is not None:
        reason, detail = RefusalReason.IDENTITY_CASE, f"The charge point is {lookup.other_case}."
    if not reveal:
        return unauthorized(reason, detail)
    error = AppError("not_found", 404, "Not found", "No charge point of this identity.", "path")
    return Denied(reason, error, detail=detail)


def denied_suspended(reason: str) -> Denied:
    """Refuse a charge point of a suspended tenant. reason: for the operator, in the words of the platform."""
    # Only one with a valid credential is told so. It may try again later.
    error = AppError("tenant_suspended", 403, "Forbidden", "The operator of the charge point is suspended.")
    return Denied(RefusalReason.TENANT_SUSPENDED, error, {"Retry-After": "3600"}, reason)


def denied_connected() -> Denied:
    """Refuse a newcomer without a credential: the present connection of the charge point lives."""
    error = AppError(
        "connected", 409, "Conflict", "The charge point is connected, and this connection has no credential."
    )
    return Denied(RefusalReason.CONNECTED, error)


def denied_origin() -> Denied:
    """Refuse a web page."""
    # Web pages can connect here, with an Origin header. They cannot send the credential of a charge point.
    error = AppError("origin_refused", 403, "Forbidden", "A charge point sends no Origin header.", "Origin")
    return Denied(RefusalReason.ORIGIN, error)
