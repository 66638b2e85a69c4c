"""The errors that leave the server: `AppError` to developers (REST), `CallFailed` to charge points (OCPP).

Each class declares once what its error looks like outside. Every module may import this one; it imports no
other module of the application.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
"""Content-Type of `AppError.problem()` (RFC 9457)."""


class AppError(Exception):
    """A refusal or failure that REST answers as `application/problem+json`.

    Args:
        code: stable name in snake_case, part of the API.
        status: HTTP status.
        title: the same for all errors of this code.
        detail: what happened this time.
        field: the name or JSON pointer of the input at fault, if there is one.
    """

    def __init__(self, code: str, status: int, title: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.title = title
        self.detail = detail
        self.field = field

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers of the answer."""
        return {}

    def problem(self) -> dict[str, Any]:
        """Return the RFC 9457 problem document of this error."""
        document: dict[str, Any] = {
            "type": f"urn:stationmaster:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.field is not None:
            document["field"] = self.field
        return document


class NotFound(AppError):
    """The resource does not exist, or belongs to another tenant. Both look the same on purpose."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__("not_found", 404, "Not found", detail, field)


class NoSuchChargePoint(NotFound):
    """The tenant has no charge point of this identity."""

    def __init__(self, identity: str) -> None:
        super().__init__(f"There is no charge point {identity!r}.", "identity")


class Conflict(AppError):
    """The current state forbids a correct request: the name is taken, or the command has ended."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__("conflict", 409, "Conflict", detail, field)


class EventsExpired(AppError):
    """Events behind a cursor were deleted because of their age, so a reader would miss some."""

    def __init__(self) -> None:
        super().__init__(
            "events_expired",
            410,
            "Events expired",
            "Events behind this cursor were deleted because of their age. Read what you follow from the API "
            "again, then begin without a cursor.",
            "after",
        )


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One broken rule. pointer: JSON pointer into the body, or a parameter; code: name of the rule."""

    pointer: str
    code: str
    detail: str

    @property
    def place(self) -> Literal["pointer", "parameter"]:
        """The kind of `pointer`: a JSON pointer is empty or begins with a slash (RFC 6901)."""
        return "pointer" if not self.pointer or self.pointer.startswith("/") else "parameter"


class InvalidInput(AppError):
    """The input breaks rules. `violations` name each field at fault, at least one; `field` is the first."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        first = violations[0]
        # The pointer of the body itself is empty.
        text = f"{first.pointer}: {first.detail}" if first.pointer else first.detail
        super().__init__("invalid_input", 422, "Invalid input", text, first.pointer or "body")
        self.violations = tuple(violations)

    def problem(self) -> dict[str, Any]:
        """Return the problem document, with one entry of `errors` for each violation."""
        errors = [
            {found.place: found.pointer, "code": found.code, "detail": found.detail}
            for found in self.violations
        ]
        return {**super().problem(), "errors": errors}


class Unauthorized(AppError):
    """The credential is missing, unknown, expired or revoked."""

    def __init__(self, detail: str = "A valid API key is required.") -> None:
        super().__init__("unauthorized", 401, "Unauthorized", detail)

    @property
    def headers(self) -> dict[str, str]:
        """Name the authentication scheme, which RFC 9110 requires with a 401."""
        return {"WWW-Authenticate": 'Bearer realm="stationmaster"'}


class Forbidden(AppError):
    """The credential is valid, but its scopes do not allow the request."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__("forbidden", 403, "Forbidden", detail, field)


class TenantSuspended(AppError):
    """The operator of the server has suspended the tenant. reason: why, in the operator's words."""

    def __init__(self, reason: str) -> None:
        detail = f"The operator of this server has suspended the tenant: {reason}"
        super().__init__("tenant_suspended", 403, "Tenant suspended", detail)


class TooManyRequests(AppError):
    """A limit was reached.

    Args:
        retry_after_s: seconds until the next try, at least 1.
        state: headers that tell the state of the limit, if it is one of a rate.
    """

    def __init__(self, detail: str, retry_after_s: int = 1, state: Mapping[str, str] | None = None) -> None:
        super().__init__("too_many_requests", 429, "Too many requests", detail)
        self.retry_after_s = retry_after_s
        self._state = state or {}

    @property
    def headers(self) -> dict[str, str]:
        """Say when to try again."""
        return {"Retry-After": str(self.retry_after_s), **self._state}


class ChargePointBusy(TooManyRequests):
    """Another command of the charge point is under way, and this one gives way to it."""

    def __init__(self) -> None:
        super().__init__("Another command of the charge point is under way.")


class Unavailable(AppError):
    """A part that the request needs is down. The same request may succeed later."""

    def __init__(self, detail: str, code: str = "unavailable") -> None:
        super().__init__(code, 503, "Service unavailable", detail)

    @property
    def headers(self) -> dict[str, str]:
        """Say when to try again."""
        return {"Retry-After": "5"}


class StoreUnavailable(Unavailable):
    """The database cannot be reached, or did not commit in time. Nothing was acknowledged."""

    def __init__(self, detail: str = "The database does not answer.") -> None:
        super().__init__(detail, "store_unavailable")


class CallFailed(Exception):
    """The CALL is answered with a CALLERROR. code: an error code of OCPP-J 4.2.3, in the spelling of 1.6."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
