"""Values about certificates. A field of a record has the name of its column."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from app.ocpp.v16 import CertificateUseEnumType
from app.types import Json

KeyType = Literal["ecdsa_p256", "ecdsa_p384", "rsa_2048", "rsa_3072", "rsa_4096"]
"""The key of a certificate authority of ours."""

AuthorityState = Literal["active", "retired", "distrusted"]
"""active: it signs; retired: it is still trusted; distrusted: its certificates are not accepted."""

RequestState = Literal["received", "forwarded", "signed", "sent", "accepted", "rejected", "failed", "refused"]
"""The states of a certificate request. `refused`: the charge point was answered Rejected."""

OPEN_REQUEST_STATES: Final[tuple[RequestState, ...]] = ("received", "forwarded", "signed", "sent")

CertificateState = Literal["issued", "sent", "accepted", "rejected", "revoked"]
"""The stored states of a certificate. Beyond its end it is shown as `expired`."""

InstalledState = Literal["reported", "accepted", "rejected", "failed"]
"""reported: the charge point listed it; the others: its answer to InstallCertificate."""

DeletionState = Literal["requested", "failed", "unknown"]
"""The state of a deletion of an installed certificate that has not succeeded."""

CENTRAL_SYSTEM_ROOT: Final[CertificateUseEnumType] = "CentralSystemRootCertificate"
CERTIFICATE_USES: Final[tuple[CertificateUseEnumType, ...]] = (
    "CentralSystemRootCertificate",
    "ManufacturerRootCertificate",
)


class CertificateFault(Exception):
    """A certificate, chain or request breaks a rule. code: stable name; detail: for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class NewAuthority:
    """The input for a certificate authority. years: of its root; certificate_days: of what it signs."""

    organization: str
    key_type: KeyType
    years: int
    certificate_days: int


@dataclass(frozen=True, slots=True)
class MintedAuthority:
    """A new root with its key. private_key: PKCS 8 in DER, not encrypted."""

    certificate: str
    serial: str
    private_key: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class AuthorityRecord:
    """A certificate authority of a tenant. private_key: encrypted."""

    id: int
    tenant_id: int
    state: AuthorityState
    organization: str
    key_type: KeyType
    serial: str
    certificate: str
    private_key: bytes = field(repr=False)
    certificate_days: int
    not_before: datetime
    not_after: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewExternalAuthority:
    """The input for an external certificate authority. anchors: PEM of the roots that it signs under."""

    url: str = field(repr=False)
    organization: str | None
    anchors: str


@dataclass(frozen=True, slots=True)
class ExternalAuthorityRecord:
    """The server that signs for a tenant. secret: encrypted, of the signatures of our requests."""

    tenant_id: int
    url: str = field(repr=False)
    organization: str | None
    anchors: str
    secret: bytes = field(repr=False)
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A SignCertificate of a charge point and what became of it.

    sends: how often CertificateSigned was issued; doubts: how often its answer was lost; attempts: how often
    it was forwarded to the external authority; next_at: when the sweep looks at it again.
    """

    id: int
    tenant_id: int
    charge_point_id: int
    identity: str
    csr: str
    state: RequestState
    reason: str | None
    detail: str | None
    certificate_id: int | None
    command_id: UUID | None
    trigger_command_id: UUID | None
    attempts: int
    sends: int
    doubts: int
    next_at: datetime | None
    received_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewCertificate:
    """A signed certificate of a charge point. chain: PEM, the leaf first, without the root."""

    identity: str
    serial: str
    subject: str
    issuer: str
    issuer_name_hash: str
    fingerprint: str
    chain: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """A certificate of a charge point. renew_at: when its charge point is asked for a new request."""

    id: int
    tenant_id: int
    identity: str
    serial: str
    subject: str
    issuer: str
    issuer_name_hash: str
    fingerprint: str
    chain: str
    not_before: datetime
    not_after: datetime
    state: CertificateState
    revoked_at: datetime | None
    revocation_reason: str | None
    renew_at: datetime | None
    renewal_attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KnownCertificate:
    """A root certificate whose text is known. hashes: by hash algorithm its `name`, and `key` if known."""

    fingerprint: str
    certificate: str
    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    hashes: Json


@dataclass(frozen=True, slots=True)
class InstalledRecord:
    """A root certificate on a charge point. hash_data: as the charge point names it, or as we compute it.

    at: when its state was known; deletion: of a deletion that has not succeeded.
    """

    id: str
    charge_point_id: int
    certificate_type: CertificateUseEnumType
    hash_data: Json
    state: InstalledState
    at: datetime
    deletion: DeletionState | None
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class InstalledReport:
    """The last GetInstalledCertificateIds that was answered for a kind of certificates."""

    charge_point_id: int
    certificate_type: CertificateUseEnumType
    reported_at: datetime
