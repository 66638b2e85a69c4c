"""Shapes about certificate authorities."""

from typing import Annotated, ClassVar

from pydantic import Field

from app.certificates.records import AuthorityState, KeyType
from app.certificates.schemas.common import (
    EXAMPLE_BEGIN,
    EXAMPLE_PEM,
    EXAMPLE_SERIAL,
    ORGANIZATION_LIMIT,
    Pem,
)
from app.outgoing.rules import URL_LIMIT
from app.web.inputs import Input, Line
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

_ORGANIZATION = "Name of the operator: O of its certificates, and the configuration key CpoName."
_STATE = (
    "active: it signs; retired: what it has signed is accepted until its end; distrusted: it is not accepted."
)
_URL = "https://pki.example.com/sign"

Organization = Annotated[Line, Field(min_length=1, max_length=ORGANIZATION_LIMIT, description=_ORGANIZATION)]


class CertificateAuthority(Resource):
    """A certificate authority of yours. Its private key never leaves the server."""

    id: int
    state: AuthorityState = Field(description=_STATE)
    organization: str = Field(description=_ORGANIZATION)
    key_type: KeyType
    serial: str
    certificate: str = Field(description="The root in PEM.")
    certificate_days: int = Field(description="Days for which the certificates of charge points are valid.")
    not_before: Instant
    not_after: Instant
    created_at: Instant

    example: ClassVar[Json] = {
        "id": 1,
        "state": "active",
        "organization": "Acme Charging",
        "key_type": "ecdsa_p256",
        "serial": EXAMPLE_SERIAL,
        "certificate": EXAMPLE_PEM,
        "certificate_days": 365,
        "not_before": EXAMPLE_BEGIN,
        "not_after": "2036-05-01T08:05:30.000Z",
        "created_at": EXAMPLE_TIME,
    }


class CertificateAuthorities(Resource):
    """All certificate authorities, the newest first."""

    items: list[CertificateAuthority]

    example: ClassVar[Json] = {"items": [CertificateAuthority.example]}


class CertificateAuthorityCreate(Input):
    """A new certificate authority. It signs from now on."""

    organization: Organization
    key_type: KeyType = "ecdsa_p256"
    years: Annotated[int, Field(ge=1, le=30, description="Years for which the root is valid.")] = 10
    certificate_days: Annotated[
        int, Field(ge=1, le=1825, description="Days for which the certificates of charge points are valid.")
    ] = 365

    example: ClassVar[Json] = {"organization": "Acme Charging", "key_type": "ecdsa_p256"}


class RevocationList(Resource):
    """A revocation list (RFC 5280)."""

    revocation_list: str = Field(description="In PEM. It is valid for seven days.")

    example: ClassVar[Json] = {
        "revocation_list": "-----BEGIN X509 CRL-----\nMIIBszCCAVmgAwIBAgIUUm9vdA==\n-----END X509 CRL-----\n"
    }


class ExternalAuthority(Resource):
    """A server of yours that signs the certificates of charge points."""

    url: str
    organization: str | None = Field(description="O that requests must have; null: any.")
    anchors: str = Field(description="Roots in PEM, under which it signs.")
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "url": _URL,
        "organization": "Acme Charging",
        "anchors": EXAMPLE_PEM,
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class ExternalAuthorityWithSecret(ExternalAuthority):
    """An external certificate authority, with its secret."""

    secret: str = Field(description="Signs all requests (Standard Webhooks). It is shown only once.")

    example: ClassVar[Json] = {
        **ExternalAuthority.example,
        "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    }


class ExternalAuthorityPut(Input):
    """The external certificate authority from now on."""

    url: Annotated[
        Line,
        Field(
            min_length=1,
            max_length=URL_LIMIT,
            description="Begins with https://, without user, password and fragment. It must lead to public "
            "addresses.",
        ),
    ]
    organization: Organization | None = None
    anchors: Annotated[Pem, Field(description="Roots in PEM, under which it signs.")]

    example: ClassVar[Json] = {"url": _URL, "organization": "Acme Charging", "anchors": EXAMPLE_PEM}
