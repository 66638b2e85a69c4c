"""Tenants and API keys as the rest of the application sees them: frozen, named as the columns are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.ocpp.v16 import RegistrationStatus
from app.types import Scope


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """One tenant. default_registration: the status that a charge point gets when it is created."""

    id: int
    slug: str
    name: str
    strict_protocol: bool
    default_registration: RegistrationStatus
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKeyRecord:
    """One API key. tenant_id None: a platform administrator. secret_hash: HMAC-SHA256(pepper, secret)."""

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
    """What an administrator says of a new tenant. slug: `[a-z0-9-]{1,40}`."""

    slug: str
    name: str
    strict_protocol: bool = False
    default_registration: RegistrationStatus = "Accepted"


@dataclass(frozen=True, slots=True)
class NewApiKeyFacts:
    """What the maker of a new API key says of it. expires_at None: it never expires."""

    name: str
    scopes: Sequence[Scope]
    expires_at: datetime | None
