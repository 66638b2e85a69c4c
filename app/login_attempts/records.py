"""Values about refused logins. A field has the name of its column."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a login was refused. Part of the API, of the log and of the metrics."""

    PATH = "path"
    """The target is not /ocpp/{tenant}/{identity}."""
    PATH_ENCODING = "path_encoding"
    """A segment is percent-encoded twice."""
    EXTRA_PATH_SEGMENT = "extra_path_segment"
    """The target has more segments than tenant and identity."""
    TENANT_CASE = "tenant_case"
    """The tenant is written in upper case."""
    PATH_NOT_EXACT = "path_not_exact"
    """The tenant is strict, and the target has surplus slashes or segments."""
    UPGRADE = "upgrade"
    """The request is not a WebSocket handshake."""
    ORIGIN = "origin"
    """It has an Origin header, and no credential protects the charge point."""
    CONNECTED = "connected"
    """No credential protects the charge point, and its present connection lives."""
    SUBPROTOCOL = "subprotocol"
    """No offered subprotocol is supported."""
    TENANT_SUSPENDED = "tenant_suspended"
    """The credential is right, and the operator of the server has suspended the tenant."""
    UNKNOWN_TENANT = "unknown_tenant"
    UNKNOWN_IDENTITY = "unknown_identity"
    IDENTITY_CASE = "identity_case"
    """The identity exists in another case."""
    CREDENTIAL_ABSENT = "credential_absent"
    CREDENTIAL_MALFORMED = "credential_malformed"
    CREDENTIAL_WRONG = "credential_wrong"
    CREDENTIAL_NOT_SET = "credential_not_set"
    """The charge point has no credential here, and needs one."""
    SECURITY_PROFILE = "security_profile"
    """The credential is right, and the security profile is below the minimum."""
    USER_NAME = "user_name"
    """The user name is not the identity."""
    CERTIFICATE = "certificate"
    """The client certificate is that of another charge point or operator, or it is revoked."""
    LIMIT = "limit"
    """Too many logins have failed before, so this one was not judged."""
    STORE_UNAVAILABLE = "store_unavailable"


@dataclass(frozen=True, slots=True)
class RefusedLogin:
    """One login that was refused.

    tenant: the slug in its target, None if it names none; identity: None if it names none; detail: what is
    known besides the reason, without secrets.
    """

    at: datetime
    reason: RefusalReason
    remote: str
    tenant: str | None = None
    identity: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class LoginAttemptRecord:
    """Refused logins that are alike: same identity, reason and address. identity "": none was named."""

    id: int
    identity: str
    reason: RefusalReason
    remote: str
    detail: str | None
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class LoginAttemptFilter:
    """Narrows a list of refused logins."""

    identity: str | None = None
    reason: RefusalReason | None = None
