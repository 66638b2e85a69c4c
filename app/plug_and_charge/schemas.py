"""Shapes of REST requests and answers about Plug & Charge."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from app.certificates.schemas.common import EXAMPLE_CSR, EXAMPLE_END, EXAMPLE_PEM, Pem
from app.commands.schemas import Command
from app.outgoing.rules import URL_LIMIT
from app.plug_and_charge.records import Dialect, ReportedUse, RootUse, V2gRequestState, WithoutStatus
from app.web.inputs import Input, Line
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import CREDENTIAL_HEADER_PATTERN, HASH_PATTERN, PRINTABLE_PATTERN

_CONTRACT_URL = "https://contracts.example.com/certificates"
_V2G_URL = "https://v2g.example.com/sign"
_OCSP_URL = "http://ocsp.example.com/"
_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # noqa: S105 - an example
_SECRET_TEXT = (
    "Signs all requests (Standard Webhooks); null: the secret of before stays. It is shown only once."  # noqa: S105
)
_DEADLINE = "Milliseconds from the question to the whole answer. A car waits for 5 s (ISO 15118-2)."
_HEADER = "Name of the header with the credential, such as Authorization; null: none is sent."
_ROOTS = "Roots, and other authorities of contracts, in PEM; null: a contract certificate is not accepted."
_OCSP = "OCSP responder that is asked in place of those that charge points name; null: those are asked."
_WITHOUT = "What holds if no responder tells the status of a contract. refuse: Invalid; accept: as its eMAID."
_STATES = (
    "received: to be signed; forwarded: the authority has it; signed: to be sent; sent: the charge point has "
    "not answered yet; accepted, rejected: its answer; failed: see `reason`; refused: the charge point was "
    "answered Rejected."
)
_HASHES: Json = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "9d3c2b5f6a1e",
    "issuerKeyHash": "41c07f9e8b22",
    "serialNumber": "4A2B9C1D",
}

Url = Annotated[Line, Field(min_length=1, max_length=URL_LIMIT)]
HashText = Annotated[str, StringConstraints(pattern=HASH_PATTERN)]


class ContractCertificateEndpoint(Resource):
    """The server that issues contract certificates for cars."""

    url: str
    deadline_ms: int = Field(description=_DEADLINE)
    header: str | None = Field(description=_HEADER)
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "url": _CONTRACT_URL,
        "deadline_ms": 4500,
        "header": "Authorization",
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class ContractCertificateEndpointWithSecret(ContractCertificateEndpoint):
    """The server that issues contract certificates, and the secret of requests to it."""

    secret: str | None = Field(description=_SECRET_TEXT)

    example: ClassVar[Json] = {**ContractCertificateEndpoint.example, "secret": _SECRET}


class ContractCertificateEndpointPut(Input):
    """The server that issues contract certificates from now on."""

    url: Annotated[Url, Field(description="Begins with https://, and leads to public addresses.")]
    deadline_ms: Annotated[int, Field(ge=500, le=25_000, description=_DEADLINE)] = 4500
    header: Annotated[
        Annotated[str, StringConstraints(pattern=CREDENTIAL_HEADER_PATTERN)] | None,
        Field(description=_HEADER),
    ] = None
    authorization: Annotated[
        Annotated[str, StringConstraints(pattern=PRINTABLE_PATTERN, max_length=4000)] | None,
        Field(description="Value of the header; null: the stored one stays. It is never shown."),
    ] = None

    example: ClassVar[Json] = {
        "url": _CONTRACT_URL,
        "header": "Authorization",
        "authorization": "Bearer 0a1b2c3d",
    }


class PlugAndChargeAuthority(Resource):
    """The server that signs the V2G certificates of charge points."""

    url: str
    anchors: str = Field(description="Roots in PEM, under which it signs.")
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "url": _V2G_URL,
        "anchors": EXAMPLE_PEM,
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class PlugAndChargeAuthorityWithSecret(PlugAndChargeAuthority):
    """The server that signs V2G certificates, and the secret of requests to it."""

    secret: str | None = Field(description=_SECRET_TEXT)

    example: ClassVar[Json] = {**PlugAndChargeAuthority.example, "secret": _SECRET}


class PlugAndChargeAuthorityPut(Input):
    """The server that signs V2G certificates from now on."""

    url: Annotated[Url, Field(description="Begins with https://, and leads to public addresses.")]
    anchors: Annotated[Pem, Field(description="Roots in PEM, under which it signs.")]

    example: ClassVar[Json] = {"url": _V2G_URL, "anchors": EXAMPLE_PEM}


class ContractValidationResource(Resource):
    """How contracts are checked."""

    roots: str | None = Field(description=_ROOTS)
    ocsp_url: str | None = Field(description=_OCSP)
    without_status: WithoutStatus = Field(description=_WITHOUT)
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "roots": EXAMPLE_PEM,
        "ocsp_url": _OCSP_URL,
        "without_status": "refuse",
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class ContractValidationPut(Input):
    """How contracts are checked from now on."""

    roots: Annotated[Pem | None, Field(description=_ROOTS)] = None
    ocsp_url: Annotated[Url | None, Field(description=_OCSP)] = None
    without_status: Annotated[WithoutStatus, Field(description=_WITHOUT)] = "refuse"

    example: ClassVar[Json] = {"roots": EXAMPLE_PEM, "ocsp_url": _OCSP_URL, "without_status": "refuse"}


class V2gCertificateRequest(Resource):
    """A SignCertificate of a charge point for a V2G certificate, and what became of it."""

    id: int
    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    certificate_type: Literal["V2GCertificate"] = "V2GCertificate"
    dialect: Dialect = Field(description="The vendor id of the DataTransfer.")
    csr: str = Field(description="As it was sent, in PEM.")
    state: V2gRequestState = Field(description=_STATES)
    reason: str | None = Field(description="Name of what is wrong; null: nothing.")
    detail: str | None = Field(description="The reason in words.")
    chain: str | None = Field(description="What was signed, without the root, in PEM.")
    not_after: Instant | None = Field(description="End of the certificate.")
    command_id: UUID | None = Field(description="The newest CertificateSigned.")
    received_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "id": 1,
        "charge_point": "RDAM-0123",
        "certificate_type": "V2GCertificate",
        "dialect": "org.openchargealliance.iso15118pnc",
        "csr": EXAMPLE_CSR,
        "state": "accepted",
        "reason": None,
        "detail": None,
        "chain": EXAMPLE_PEM,
        "not_after": EXAMPLE_END,
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "received_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class V2gChainPost(Input):
    """The V2G certificate that the authority has signed."""

    chain: Annotated[
        Pem, Field(description="In PEM: the certificate, then those of its issuers up to a root.")
    ]

    example: ClassVar[Json] = {"chain": EXAMPLE_PEM}


class Iso15118Certificates(Resource):
    """The certificates for ISO 15118 on a charge point, as it has last reported them."""

    reported_at: Instant | None = Field(description="null: it has reported none so far.")
    status: str | None = Field(description="Accepted, or NotFound: it has none.")
    command_id: UUID | None
    items: list[Json] = Field(description="CertificateHashDataChain of each one (7.1).")

    example: ClassVar[Json] = {
        "reported_at": EXAMPLE_TIME,
        "status": "Accepted",
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "items": [{"certificateType": "V2GRootCertificate", "certificateHashData": _HASHES}],
    }


class PlugAndChargeCommand(Resource):
    """A DataTransfer that was sent, and what is inside its answer."""

    command: Command
    status: str | None = Field(
        description="Status of the message inside; null: it has no answer yet, or none that says something."
    )
    detail: str | None = Field(description="Why the answer says nothing.")
    certificates: list[Json] | None = Field(description="Of a refresh: what the charge point has.")

    example: ClassVar[Json] = {
        "command": Command.example,
        "status": "Accepted",
        "detail": None,
        "certificates": None,
    }


class Iso15118CertificatePost(Input):
    """A root certificate to install."""

    certificate_type: RootUse
    certificate: Annotated[Pem, Field(description="One root in PEM.")]

    example: ClassVar[Json] = {"certificate_type": "V2GRootCertificate", "certificate": EXAMPLE_PEM}


class Iso15118CertificateRefresh(Input):
    """Which certificates to ask for."""

    certificate_types: Annotated[list[ReportedUse] | None, Field(max_length=3, description="null: all.")] = (
        None
    )

    example: ClassVar[Json] = {"certificate_types": ["V2GRootCertificate"]}


class Iso15118CertificateDeletion(Input):
    """The certificate to delete, as the charge point reports it."""

    hash_algorithm: Literal["SHA256", "SHA384", "SHA512"] = "SHA256"
    issuer_name_hash: HashText
    issuer_key_hash: HashText
    serial_number: Annotated[str, StringConstraints(pattern=HASH_PATTERN, max_length=40)]

    example: ClassVar[Json] = {
        "hash_algorithm": "SHA256",
        "issuer_name_hash": "9d3c2b5f6a1e",
        "issuer_key_hash": "41c07f9e8b22",
        "serial_number": "4A2B9C1D",
    }
