"""Values about changes of keys and security profiles. A field has the name of its column."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Kind = Literal["credential", "security_profile"]
"""A new AuthorizationKey (security whitepaper A01), or a higher security profile (A05)."""

ChangeState = Literal[
    "requested",
    "accepted",
    "in_doubt",
    "confirmed",
    "rejected",
    "fell_back",
    "not_sent",
    "superseded",
    "expired",
]
"""requested: its command is under way; accepted: the charge point has agreed, and has to log in with it;
in_doubt: the answer is lost, so either may hold; confirmed: it has logged in with it; rejected: it refused;
fell_back: it agreed, and logged in as before; not_sent: the command did not reach it; superseded: another
change came first; expired: nothing was seen of it for 24 hours."""

OPEN_STATES: tuple[ChangeState, ...] = ("requested", "accepted", "in_doubt")


@dataclass(frozen=True, slots=True)
class SecurityChangeRecord:
    """One change of one charge point.

    from_profile, to_profile: None for a credential; detail: the status that the charge point answered, or why
    it ended; command_id: None until it is known; answered_at: when the outcome of the command was known.
    """

    id: UUID
    tenant_id: int
    charge_point_id: int
    identity: str
    kind: Kind
    from_profile: int | None
    to_profile: int | None
    state: ChangeState
    detail: str | None
    command_id: UUID | None
    requested_by: str
    requested_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Seen:
    """The facts about a charge point and its command that decide an open change.

    logged_in_at: its newest login; profile: of that login; is_key_current: its credential is that of the
    command; is_key_possible: that one may still log in.
    """

    logged_in_at: datetime | None
    profile: int | None
    is_key_current: bool
    is_key_possible: bool


@dataclass(frozen=True, slots=True)
class ProfileState:
    """The security profiles of a charge point.

    profile: of its newest login, None: it never logged in; minimum, tenant_minimum: the lowest that are
    accepted; required: the one that counts; newest_raise: the newest change that was asked for.
    """

    profile: int | None
    minimum: int
    tenant_minimum: int
    required: int
    no_credential: bool
    newest_raise: SecurityChangeRecord | None


@dataclass(frozen=True, slots=True)
class RotationPolicyRecord:
    """How often the keys of a tenant's charge points are replaced."""

    every_days: int
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True, slots=True)
class DueRotation:
    """A charge point whose key is older than the policy of its tenant allows."""

    tenant_id: int
    identity: str
