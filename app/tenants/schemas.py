"""Shapes of REST requests and answers about tenants and API keys."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, field_validator

from app.ocpp.v16 import RegistrationStatus
from app.types import Scope
from app.web.inputs import SLUG_PATTERN, Change, Input, Name, Time
from app.web.resources import Instant, Resource


class Tenant(Resource):
    """An operator with charge points, tags, transactions and keys of its own."""

    slug: str = Field(description="Name in URLs; charge points connect to /ocpp/{slug}/{identity}.")
    name: str
    strict_protocol: bool = Field(description="Refuse what tolerance would mend.")
    default_registration: RegistrationStatus = Field(description="What a new charge point gets.")
    created_at: Instant


class ApiKey(Resource):
    """A key without its secret, which is nowhere stored."""

    id: UUID
    name: str
    prefix: str = Field(description="The readable middle of the token: sm_{prefix}_{secret}.")
    scopes: list[Scope]
    expires_at: Instant | None
    revoked_at: Instant | None
    created_at: Instant
    last_used_at: Instant | None


class NewApiKey(ApiKey):
    """A key just made, with the token that is shown this once."""

    token: str = Field(description="Send it as `Authorization: Bearer ...`. It is shown this once only.")


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
