"""The shapes of REST requests and answers about tenants and API keys."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, field_validator

from app.ocpp.v16 import RegistrationStatus
from app.types import Scope
from app.web.inputs import Change, Input, Name, Slug, Time
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource


class Tenant(Resource):
    """An operator with charge points, tags, transactions and keys of its own."""

    slug: str = Field(description="The name in URLs. Charge points connect to /ocpp/{slug}/{identity}.")
    name: str
    strict_protocol: bool = Field(
        description="True: departures from the standard are refused, not tolerated."
    )
    default_registration: RegistrationStatus = Field(
        description="The registration status of a new charge point."
    )
    created_at: Instant

    example: ClassVar[Json] = {
        "slug": "demo",
        "name": "Demo operator",
        "strict_protocol": False,
        "default_registration": "Accepted",
        "created_at": EXAMPLE_TIME,
    }


class ApiKey(Resource):
    """An API key without its secret, which is not stored."""

    id: UUID
    name: str
    prefix: str = Field(
        description="The middle part of the token, which is not secret: sm_{prefix}_{secret}."
    )
    scopes: list[Scope]
    expires_at: Instant | None
    revoked_at: Instant | None
    created_at: Instant
    last_used_at: Instant | None

    example: ClassVar[Json] = {
        "id": "0b7a1e6a-52a5-4f0c-8a53-54bb2f7e8f0d",
        "name": "billing export",
        "prefix": "3f9c2a7d41be",
        "scopes": ["read"],
        "expires_at": "2027-01-01T00:00:00.000Z",
        "revoked_at": None,
        "created_at": EXAMPLE_TIME,
        "last_used_at": None,
    }


class NewApiKey(ApiKey):
    """A new API key with its token, which is shown once."""

    token: str = Field(description="Send it as `Authorization: Bearer ...`. It is shown only once.")

    example: ClassVar[Json] = {**ApiKey.example, "token": "sm_3f9c2a7d41be_<48 hexadecimal digits>"}


class TenantCreate(Input):
    """A new tenant."""

    slug: Annotated[Slug, Field(description="The name in URLs. It never changes.")]
    name: Name
    strict_protocol: bool = False
    default_registration: RegistrationStatus = "Accepted"

    example: ClassVar[Json] = {
        "slug": "demo",
        "name": "Demo operator",
        "strict_protocol": False,
        "default_registration": "Accepted",
    }


class TenantChange(Change):
    """A change of a tenant."""

    name: Name = ""
    strict_protocol: bool = False
    default_registration: RegistrationStatus = "Accepted"

    example: ClassVar[Json] = {"name": "Demo operator", "strict_protocol": True}


class ApiKeyCreate(Input):
    """A new API key."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    expires_at: Annotated[Time | None, Field(description="null: it never expires.")] = None

    example: ClassVar[Json] = {
        "name": "billing export",
        "scopes": ["read"],
        "expires_at": "2027-01-01T00:00:00Z",
    }

    @field_validator("scopes")
    @classmethod
    def _no_repetition(cls, scopes: list[Scope]) -> list[Scope]:
        return list(dict.fromkeys(scopes))
