"""What the API takes: one model for each JSON body, with the bounds of the columns it goes to."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from app.api.inputs import (
    ID_TAG_PATTERN,
    IDENTITY_PATTERN,
    INTEGER_MAXIMUM,
    LINE_PATTERN,
    NOTE_PATTERN,
    SLUG_PATTERN,
    Input,
    Time,
)
from app.store.records import IdTagStatus, RegistrationStatus, Scope

HEARTBEAT_MAXIMUM_S = 86_400
"""A charge point must be heard of daily at least (OCPP-J 5.3)."""

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=LINE_PATTERN)]
OptionalIdTag = Annotated[str, Field(pattern=ID_TAG_PATTERN)] | None
Note = Annotated[str, Field(max_length=500, pattern=NOTE_PATTERN)] | None
HeartbeatInterval = Annotated[int, Field(ge=1, le=HEARTBEAT_MAXIMUM_S, description="Seconds.")] | None
ActiveTransactions = Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM)] | None


def _without_defaults(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)


class Change(Input):
    """A merge patch (RFC 7396): absent members stay as they are, null empties those that may be empty.

    The defaults of its members are never read: only what the caller wrote is.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def changes(self) -> dict[str, Any]:
        """The members that the caller wrote, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class TenantCreate(Input):
    """A new tenant."""

    slug: Annotated[str, Field(pattern=SLUG_PATTERN, description="Name in URLs; it never changes.")]
    name: Name
    strict_protocol: bool = False
    default_registration: RegistrationStatus = "Accepted"


class TenantChange(Change):
    """What may change of a tenant."""

    name: Name = ""
    strict_protocol: bool = False
    default_registration: RegistrationStatus = "Accepted"


class ApiKeyCreate(Input):
    """A new API key."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    expires_at: Annotated[Time | None, Field(description="null: it never expires.")] = None

    @field_validator("scopes")
    @classmethod
    def _no_repetition(cls, scopes: list[Scope]) -> list[Scope]:
        return list(dict.fromkeys(scopes))


class ChargePointCreate(Input):
    """A new charge point. Its credential is generated."""

    identity: Annotated[str, Field(pattern=IDENTITY_PATTERN, description="Case-sensitive; never changes.")]
    name: Name | None = None
    registration_status: Annotated[
        RegistrationStatus | None, Field(description="null: the tenant's default.")
    ] = None
    heartbeat_interval_s: HeartbeatInterval = None
    no_credential: Annotated[
        bool, Field(description="True: anybody who knows the identity may connect. Private networks only.")
    ] = False


class ChargePointChange(Change):
    """What may change of a charge point."""

    name: Name | None = None
    registration_status: RegistrationStatus = "Accepted"
    heartbeat_interval_s: HeartbeatInterval = None
    no_credential: bool = False


class IdTagCreate(Input):
    """A new id tag."""

    id_tag: Annotated[
        str, Field(pattern=ID_TAG_PATTERN, description="1 to 20 printable characters; case does not matter.")
    ]
    status: IdTagStatus = "Accepted"
    expires_at: Time | None = None
    parent_id_tag: OptionalIdTag = None
    max_active_transactions: ActiveTransactions = None
    note: Note = None


class IdTagChange(Change):
    """What may change of an id tag."""

    status: IdTagStatus = "Accepted"
    expires_at: Time | None = None
    parent_id_tag: OptionalIdTag = None
    max_active_transactions: ActiveTransactions = None
    note: Note = None
