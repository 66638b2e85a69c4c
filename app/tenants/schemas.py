"""The shapes of REST requests and answers about tenants and API keys."""

from typing import Annotated, ClassVar, get_args
from uuid import UUID

from pydantic import Field, field_validator

from app.ocpp.v16 import RegistrationStatus
from app.types import Scope
from app.web.inputs import Change, Input, Name, Slug, Time
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import LINE_PATTERN, ORIGIN_PATTERN


class Tenant(Resource):
    """An operator with charge points, tags, transactions and keys of its own."""

    slug: str = Field(description="The name in URLs. Charge points connect to /ocpp/{slug}/{identity}.")
    name: str
    strict_protocol: bool = Field(
        description="True: deviations from the standard are refused, not tolerated."
    )
    default_registration: RegistrationStatus = Field(
        description="The registration status of a new charge point."
    )
    suspended_at: Instant | None
    suspension_reason: str | None = Field(description="Why the tenant is kept out; null: it is not.")
    deleted_at: Instant | None = Field(description="Since when only its billing records are left.")
    created_at: Instant

    example: ClassVar[Json] = {
        "slug": "demo",
        "name": "Demo operator",
        "strict_protocol": False,
        "default_registration": "Accepted",
        "suspended_at": None,
        "suspension_reason": None,
        "deleted_at": None,
        "created_at": EXAMPLE_TIME,
    }


Origin = Annotated[
    str,
    Field(
        max_length=200,
        pattern=ORIGIN_PATTERN,
    ),
]
"""An origin as browsers send it (RFC 6454 6.1), or `*`."""
_ORIGINS_LIMIT = 50


class AllowedOrigins(Resource):
    """The origins whose web pages may read answers to the keys of the tenant."""

    allowed_origins: list[str] = Field(
        description="Scheme, host and port, as a browser sends them in `Origin`. `*` is every origin."
    )

    example: ClassVar[Json] = {"allowed_origins": ["https://dashboard.example"]}


class AllowedOriginsPut(Input):
    """The origins whose web pages may read answers to the keys of the tenant."""

    allowed_origins: Annotated[
        list[Origin],
        Field(
            max_length=_ORIGINS_LIMIT,
            description="Scheme, host and port, as a browser sends them in `Origin`: lower case, no path, "
            "no usual port. `*` is every origin. An empty list: no page.",
        ),
    ]

    example: ClassVar[Json] = AllowedOrigins.example


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
    """The fields of a tenant to change."""

    name: Name = ""
    strict_protocol: bool = False
    default_registration: RegistrationStatus = "Accepted"
    suspension_reason: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=500,
            pattern=LINE_PATTERN,
            description="A text suspends the tenant: its keys, people and charge points are refused. Keys "
            "and people are told this text. Its records stay. null lets it in again.",
        ),
    ] = None

    example: ClassVar[Json] = {"name": "Demo operator", "strict_protocol": True}


class ApiKeyCreate(Input):
    """A new API key."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(get_args(Scope)))]
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
