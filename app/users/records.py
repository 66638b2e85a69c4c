"""Values about users and their sessions. A field has the name of its column."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from app.types import Scope, TenantId

Role = Literal["viewer", "operator", "admin"]

SCOPES_OF_ROLES: Final[dict[Role, frozenset[Scope]]] = {
    "viewer": frozenset({"read"}),
    "operator": frozenset({"read", "command", "write"}),
    "admin": frozenset({"read", "command", "write", "admin"}),
}
"""The scopes that a person has, as if by an API key with these."""

CONSOLE_LINKS: Final = "/console/links"
"""The path of login links; the token follows."""

LoginMethod = Literal["link", "password", "passkey", "provider"]
"""The way in which a session began."""


@dataclass(frozen=True, slots=True)
class UserRecord:
    """One person of a tenant.

    password_hash: of argon2id; None: the person has no password. locked_at: since when the person is kept
    out; None: not locked.
    """

    id: int
    tenant_id: int
    name: str
    role: Role
    password_hash: str | None = field(repr=False)
    created_at: datetime
    last_login_at: datetime | None
    locked_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserUpdate:
    """A change of a user. None: it stays."""

    role: Role | None = None
    locked: bool | None = None


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One browser that is logged in. expires_at: it ends then, whatever happens."""

    tenant_id: int
    token_hash: bytes = field(repr=False)
    user_id: int
    method: LoginMethod
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session with its user, the slug of its tenant, and why the tenant is kept out, if it is."""

    session: SessionRecord
    user: UserRecord
    tenant_slug: str
    suspension_reason: str | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person at a browser. csrf_token: what each request that changes something must repeat."""

    tenant_id: TenantId
    tenant_slug: str
    user: UserRecord
    method: LoginMethod
    csrf_token: str = field(repr=False)

    @property
    def scopes(self) -> frozenset[Scope]:
        """The scopes of the person's role."""
        return SCOPES_OF_ROLES[self.user.role]

    @property
    def actor(self) -> str:
        """The name under which acts and commands of this person are recorded."""
        return f"user:{self.user.name}"


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A session that has just begun. token: for the cookie; it is stored as a hash only."""

    token: str = field(repr=False)
    tenant_slug: str
    user: UserRecord


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that a browser has just made. public_key: in COSE; sign_count: 0 if not counted."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str


@dataclass(frozen=True, slots=True)
class PasskeyRecord:
    """A passkey of a user."""

    id: int
    user_id: int
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class FoundPasskey:
    """A passkey with its user and the slug of the tenant."""

    passkey: PasskeyRecord
    user: UserRecord
    tenant_slug: str
