"""Values of Plug & Charge. A field has the name of its column."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from app.types import Json

OCA_VENDOR: Final = "org.openchargealliance.iso15118pnc"
"""The vendor id of the application note of the Open Charge Alliance (2.2)."""
HAS2BE_VENDOR: Final = "iso15118"
"""The vendor id of the older dialect of has2be. Its messages are known from public source code only."""

Dialect = Literal["org.openchargealliance.iso15118pnc", "iso15118"]
WithoutStatus = Literal["refuse", "accept"]
"""The decision on a contract of which no responder has told the status."""

RootUse = Literal["V2GRootCertificate", "MORootCertificate"]
ReportedUse = Literal["V2GRootCertificate", "MORootCertificate", "V2GCertificateChain"]
CertificateStatus = Literal[
    "Accepted",
    "SignatureError",
    "CertificateExpired",
    "CertificateRevoked",
    "NoCertificateAvailable",
    "CertChainError",
    "ContractCancelled",
]
"""AuthorizeCertificateStatusEnumType (8.2)."""

V2gRequestState = Literal[
    "received", "forwarded", "signed", "sent", "accepted", "rejected", "failed", "refused"
]
"""The states of a V2G certificate request. `refused`: the charge point was answered Rejected."""
OPEN_V2G_STATES: Final[tuple[V2gRequestState, ...]] = ("received", "forwarded", "signed", "sent")

SettingKind = Literal["contract_endpoint", "v2g_authority", "validation"]


class PlugAndChargeFault(Exception):
    """A message or an answer breaks a rule. code: stable name; detail: for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ContractEndpoint:
    """The server that issues contract certificates. header: of its credential, None: it needs none."""

    url: str = field(repr=False)
    deadline_ms: int
    header: str | None


@dataclass(frozen=True, slots=True)
class V2gAuthority:
    """The server that signs the V2G certificates of charge points. anchors: PEM of its roots."""

    url: str = field(repr=False)
    anchors: str


@dataclass(frozen=True, slots=True)
class ContractValidation:
    """How contracts are checked.

    roots: PEM of authorities of contracts, None: there are none; ocsp_url: is asked in place of the responder
    that a message names, None: that one is asked.
    """

    roots: str | None
    ocsp_url: str | None = field(repr=False)
    without_status: WithoutStatus


@dataclass(frozen=True, slots=True)
class StoredSetting:
    """A stored setting of a tenant. secrets: encrypted JSON, None: it has none."""

    kind: SettingKind
    settings: Json = field(repr=False)
    secrets: bytes | None = field(repr=False)
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SettingSecrets:
    """The secrets of a setting. signing: of our requests; credential: the value of the header."""

    signing: str = field(repr=False)
    credential: str | None = field(repr=False)


class ContractRequest(NamedTuple):
    """A request of a car for a contract certificate, in the form of the note (6.4.1)."""

    tenant: str
    charge_point: str
    action: str | None
    schema_version: str | None
    exi_request: str


@dataclass(frozen=True, slots=True)
class V2gRequestRecord:
    """A SignCertificate for a V2G certificate, and what became of it.

    dialect: the vendor id that it came with; chain: what was signed, PEM; fingerprint: of its leaf; attempts,
    sends, doubts, next_at: as of the certificate requests of charge points.
    """

    id: int
    tenant_id: int
    charge_point_id: int
    identity: str
    dialect: Dialect
    csr: str
    state: V2gRequestState
    reason: str | None
    detail: str | None
    chain: str | None
    fingerprint: str | None
    not_after: datetime | None
    command_id: UUID | None
    attempts: int
    sends: int
    doubts: int
    next_at: datetime | None
    received_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CertificateReport:
    """The last answered GetInstalledCertificateIds. certificates: as the charge point wrote them."""

    charge_point_id: int
    status: str
    certificates: list[Json]
    reported_at: datetime
    command_id: UUID


class InnerAnswer(NamedTuple):
    """The message inside the answer to a DataTransfer of ours.

    status: of the message; None: the answer says nothing, see detail; certificates: of
    GetInstalledCertificateIds.
    """

    status: str | None
    detail: str | None = None
    certificates: list[Json] | None = None
