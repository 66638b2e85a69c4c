"""Shapes about the root certificates on charge points."""

from typing import Annotated, ClassVar

from pydantic import Field

from app.certificates.records import DeletionState, InstalledRecord, InstalledState, KnownCertificate
from app.certificates.schemas.common import EXAMPLE_BEGIN, EXAMPLE_END, EXAMPLE_PEM, Pem
from app.commands.schemas import Command
from app.ocpp.v16 import CertificateUseEnumType
from app.web.inputs import Input
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

_OF_TEXT = ("subject", "issuer", "not_before", "not_after", "certificate")
_STATE = (
    "reported: the charge point lists it; accepted: it has accepted the installation, and not listed it "
    "since; rejected, failed: it has refused the installation."
)


class InstalledCertificate(Resource):
    """A root certificate on a charge point. Members of the certificate are null if its text is not known."""

    id: str
    certificate_type: CertificateUseEnumType
    state: InstalledState = Field(description=_STATE)
    at: Instant = Field(description="When the state was known.")
    deletion: DeletionState | None = Field(
        description="requested: the charge point has not answered yet; failed: it could not; unknown: its "
        "answer was lost. null: it is not being deleted."
    )
    hash_data: Json = Field(description="CertificateHashData, as the charge point writes it.")
    subject: str | None
    issuer: str | None
    not_before: Instant | None
    not_after: Instant | None
    certificate: str | None = Field(description="In PEM.")

    example: ClassVar[Json] = {
        "id": "9f86d081884c7d659a2feaa0c55ad015",
        "certificate_type": "CentralSystemRootCertificate",
        "state": "reported",
        "at": EXAMPLE_TIME,
        "deletion": None,
        "hash_data": {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": "9d3c2b5f6a1e",
            "issuerKeyHash": "41c07f9e8b22",
            "serialNumber": "4A2B9C1D",
        },
        "subject": "CN=Acme Root,O=Acme Charging",
        "issuer": "CN=Acme Root,O=Acme Charging",
        "not_before": EXAMPLE_BEGIN,
        "not_after": EXAMPLE_END,
        "certificate": EXAMPLE_PEM,
    }


class InstalledCertificates(Resource):
    """The root certificates on a charge point, as far as they are known."""

    central_system_roots_reported_at: Instant | None = Field(
        description="When it last listed those that verify this server; null: never, so others may be there."
    )
    manufacturer_roots_reported_at: Instant | None = Field(
        description="When it last listed those that verify firmware; null: never."
    )
    items: list[InstalledCertificate]

    example: ClassVar[Json] = {
        "central_system_roots_reported_at": EXAMPLE_TIME,
        "manufacturer_roots_reported_at": None,
        "items": [InstalledCertificate.example],
    }


class InstalledCertificatePost(Input):
    """A root certificate to install."""

    certificate_type: CertificateUseEnumType
    certificate: Annotated[Pem, Field(description="In PEM, up to 5500 characters.")]

    example: ClassVar[Json] = {
        "certificate_type": "CentralSystemRootCertificate",
        "certificate": EXAMPLE_PEM,
    }


class CertificateCommands(Resource):
    """The commands that were issued."""

    commands: list[Command]

    example: ClassVar[Json] = {"commands": [Command.example]}


def shown_installed(record: InstalledRecord, known: KnownCertificate | None) -> InstalledCertificate:
    """Return a root certificate on a charge point as it is shown."""
    text: Json = dict.fromkeys(_OF_TEXT)
    if known is not None:
        text = {name: getattr(known, name) for name in _OF_TEXT}
    return InstalledCertificate(
        id=record.id,
        certificate_type=record.certificate_type,
        state=record.state,
        at=record.at,
        deletion=record.deletion,
        hash_data=record.hash_data,
        **text,
    )
