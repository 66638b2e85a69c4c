"""Values about tenants and API keys. A field has the name of its column."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.ocpp.v16 import RegistrationStatus
from app.types import Scope


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """One tenant. default_registration: the status of a new charge point.

    minimum_security_profile: the lowest one on which its charge points may connect.
    allowed_origins: whose web pages may read answers to its keys; `*` names every origin.
    suspended_at, suspension_reason: since when, and why, it is kept out; None: it is not.
    deleted_at: since when only its billing records are left.
    """

    id: int
    slug: str
    name: str
    strict_protocol: bool
    default_registration: RegistrationStatus
    minimum_security_profile: int
    allowed_origins: tuple[str, ...]
    suspended_at: datetime | None
    suspension_reason: str | None
    deleted_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKeyRecord:
    """One API key. tenant_id None: a key of the platform; secret_hash: HMAC-SHA256(pepper, secret)."""

    id: UUID
    tenant_id: int | None
    name: str
    prefix: str
    secret_hash: bytes
    scopes: tuple[Scope, ...]
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewTenantFacts:
    """The input for a new tenant. slug: `[a-z0-9-]{1,40}`."""

    slug: str
    name: str
    strict_protocol: bool = False
    default_registration: RegistrationStatus = "Accepted"


@dataclass(frozen=True, slots=True)
class NewApiKeyFacts:
    """The input for a new API key. expires_at None: it never expires."""

    name: str
    scopes: Sequence[Scope]
    expires_at: datetime | None
