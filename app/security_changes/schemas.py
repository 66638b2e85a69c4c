"""The shapes of REST requests and answers about keys and security profiles."""

from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field

from app.audit.schemas import Reason
from app.security_changes.records import ChangeState, Kind, ProfileState, SecurityChangeRecord
from app.web.inputs import Input
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

ProfileNumber = Annotated[
    int,
    Field(
        ge=0,
        le=3,
        strict=True,
        description="0: no credential; 1: password; 2: password and TLS; 3: client certificate and TLS.",
    ),
]


class SecurityChange(Resource):
    """A change of a key or a security profile, from the command to the login that proves it."""

    id: UUID
    charge_point: str
    kind: Kind
    from_profile: int | None = Field(description="null: a new key, or the charge point never logged in.")
    to_profile: int | None = Field(description="null: a new key.")
    state: ChangeState = Field(
        description="requested: the command is under way. accepted: the charge point agreed. in_doubt: its "
        "answer is lost, so the old and the new key both log in. confirmed: it has logged in with it. "
        "rejected: it refused. fell_back: it agreed, and logged in as before. not_sent: the command did not "
        "reach it. superseded: another credential was set. expired: nothing was seen of it for 24 hours."
    )
    detail: str | None = Field(description="The status that it answered, or why the change ended.")
    command_id: UUID | None = Field(description="The command ChangeConfiguration, in which a key is hidden.")
    requested_by: str
    requested_at: Instant
    answered_at: Instant | None
    ended_at: Instant | None

    example: ClassVar[Json] = {
        "id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "charge_point": "RDAM-0123",
        "kind": "credential",
        "from_profile": None,
        "to_profile": None,
        "state": "accepted",
        "detail": "Accepted",
        "command_id": "0b7a1e6a-52a5-4f0c-8a53-54bb2f7e8f0d",
        "requested_by": "key:4f2a9c",
        "requested_at": EXAMPLE_TIME,
        "answered_at": EXAMPLE_TIME,
        "ended_at": None,
    }

    @classmethod
    def of(cls, record: SecurityChangeRecord) -> Self:
        """Show a record."""
        facts = {name: getattr(record, name) for name in cls.model_fields if name != "charge_point"}
        return cls(charge_point=record.identity, **facts)


class SecurityProfile(Resource):
    """The security profiles of a charge point (security whitepaper A00, A05)."""

    profile: int | None = Field(description="Of its newest login; null: it never logged in.")
    required: int = Field(description="The lowest profile that is accepted: a lower login is refused.")
    minimum: int = Field(description="Its own minimum. It rises with its logins, and never falls by itself.")
    tenant_minimum: int
    no_credential: bool = Field(
        description="True: the minimum of the tenant does not count for it; its own does."
    )
    newest_raise: SecurityChange | None

    example: ClassVar[Json] = {
        "profile": 1,
        "required": 1,
        "minimum": 1,
        "tenant_minimum": 0,
        "no_credential": False,
        "newest_raise": {**SecurityChange.example, "kind": "security_profile", "to_profile": 2},
    }

    @classmethod
    def of(cls, state: ProfileState) -> Self:
        """Show the profiles of a charge point."""
        newest = state.newest_raise
        return cls(
            profile=state.profile,
            required=state.required,
            minimum=state.minimum,
            tenant_minimum=state.tenant_minimum,
            no_credential=state.no_credential,
            newest_raise=None if newest is None else SecurityChange.of(newest),
        )


class SecurityProfileRaise(Input):
    """The security profile to ask a charge point for."""

    profile: Annotated[ProfileNumber, Field(ge=1)]
    certificate_installed: Annotated[
        bool,
        Field(description="True: its client certificate was installed by other means, so profile 3 will do."),
    ] = False

    example: ClassVar[Json] = {"profile": 2}


class MinimumSecurityProfile(Input):
    """The lowest security profile that is accepted, and why it is set."""

    profile: ProfileNumber
    reason: Reason

    example: ClassVar[Json] = {"profile": 1, "reason": "The TLS module of the charge point is broken."}


class TenantSecurityProfile(Resource):
    """The lowest security profile of the tenant's charge points."""

    minimum: int

    example: ClassVar[Json] = {"minimum": 1}


class CredentialRotationPolicy(Resource):
    """How often the keys of charge points are replaced."""

    every_days: int
    updated_at: Instant
    updated_by: str

    example: ClassVar[Json] = {"every_days": 90, "updated_at": EXAMPLE_TIME, "updated_by": "key:4f2a9c"}


class CredentialRotationPolicyPut(Input):
    """The age at which a key is replaced."""

    every_days: Annotated[int, Field(ge=1, le=3650, strict=True, description="Days.")]

    example: ClassVar[Json] = {"every_days": 90}
