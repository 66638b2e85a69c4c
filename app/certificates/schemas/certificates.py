"""Shapes about certificate requests and certificates of charge points."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from app.certificates.records import CertificateRecord, RequestState
from app.certificates.schemas.common import (
    EXAMPLE_BEGIN,
    EXAMPLE_CSR,
    EXAMPLE_END,
    EXAMPLE_PEM,
    EXAMPLE_SERIAL,
    Pem,
)
from app.web.inputs import Input, Line
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

ShownState = Literal["issued", "sent", "accepted", "rejected", "revoked", "expired"]

_STATES = (
    "received: to be signed; forwarded: the external authority has it; signed: to be sent; sent: the charge "
    "point has not answered yet; accepted, rejected: its answer; failed: see `reason`; refused: the charge "
    "point was answered Rejected."
)


class CertificateRequest(Resource):
    """A SignCertificate of a charge point, and what became of it."""

    id: int
    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    csr: str = Field(description="As it was sent, in PEM.")
    state: RequestState = Field(description=_STATES)
    reason: str | None = Field(description="Name of what is wrong; null: nothing.")
    detail: str | None = Field(description="The reason in words.")
    trigger_command_id: UUID | None = Field(description="The command that asked for it; null: none did.")
    command_id: UUID | None = Field(description="The newest CertificateSigned.")
    received_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "id": 1,
        "charge_point": "RDAM-0123",
        "csr": EXAMPLE_CSR,
        "state": "accepted",
        "reason": None,
        "detail": None,
        "trigger_command_id": None,
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "received_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class ChainPost(Input):
    """The certificate that an external authority has signed."""

    chain: Annotated[
        Pem, Field(description="In PEM: the certificate, then those of its issuers up to a root.")
    ]

    example: ClassVar[Json] = {"chain": EXAMPLE_PEM}


class ChargePointCertificate(Resource):
    """A certificate of a charge point."""

    id: int
    charge_point: str = Field(description="Identity of the charge point.")
    serial: str
    subject: str
    issuer: str
    chain: str = Field(description="The certificate and those of its issuers, without the root, in PEM.")
    not_before: Instant
    not_after: Instant
    state: ShownState
    revoked_at: Instant | None
    revocation_reason: str | None
    created_at: Instant

    example: ClassVar[Json] = {
        "id": 1,
        "charge_point": "RDAM-0123",
        "serial": EXAMPLE_SERIAL,
        "subject": "CN=RDAM-0123,O=Acme Charging",
        "issuer": "CN=Charge points 1f2e3d4c5b6a,O=Acme Charging",
        "chain": EXAMPLE_PEM,
        "not_before": EXAMPLE_BEGIN,
        "not_after": EXAMPLE_END,
        "state": "accepted",
        "revoked_at": None,
        "revocation_reason": None,
        "created_at": EXAMPLE_TIME,
    }


class RevocationPost(Input):
    """The revocation of a certificate."""

    reason: Annotated[Line, Field(min_length=1, max_length=500, description="It is kept in the audit.")]

    example: ClassVar[Json] = {"reason": "The charge point was stolen."}


def shown_certificate(record: CertificateRecord, now: datetime) -> ChargePointCertificate:
    """Return a certificate as it is shown at a time."""
    has_ended = record.not_after <= now and record.state != "revoked"
    state: ShownState = "expired" if has_ended else record.state
    return ChargePointCertificate(
        id=record.id,
        charge_point=record.identity,
        serial=record.serial,
        subject=record.subject,
        issuer=record.issuer,
        chain=record.chain,
        not_before=record.not_before,
        not_after=record.not_after,
        state=state,
        revoked_at=record.revoked_at,
        revocation_reason=record.revocation_reason,
        created_at=record.created_at,
    )
