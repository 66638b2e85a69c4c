"""Values about charge points. A field has the name of its column."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from app.ocpp.v16 import RegistrationStatus


@dataclass(frozen=True, slots=True)
class ChargePointRecord:
    """One charge point. clock_skew_s: its clock minus ours; epoch: the number of its newest session.

    labels: the operator's, value by key; allow_weak_credential: a key of less than 16 bytes may be imported.
    security_profile: of its newest login; credential_set_at: when its credential was made or accepted.
    """

    id: int
    tenant_id: int
    identity: str
    name: str | None
    registration_status: RegistrationStatus
    credential_hash: bytes | None
    pending_credential_hash: bytes | None
    pending_until: datetime | None
    no_credential: bool
    minimum_security_profile: int
    security_profile: int | None
    credential_set_at: datetime | None
    heartbeat_interval_s: int | None
    vendor: str | None
    model: str | None
    serial_number: str | None
    box_serial_number: str | None
    firmware_version: str | None
    iccid: str | None
    imsi: str | None
    meter_type: str | None
    meter_serial_number: str | None
    booted_at: datetime | None
    last_seen_at: datetime | None
    clock_skew_s: float | None
    epoch: int
    connected_at: datetime | None
    created_at: datetime
    updated_at: datetime
    labels: Mapping[str, str] = field(default_factory=dict)
    allow_weak_credential: bool = False


@dataclass(frozen=True, slots=True)
class NewChargePointFacts:
    """The input for a new charge point. registration_status None: the default of the tenant."""

    identity: str
    name: str | None
    registration_status: RegistrationStatus | None
    heartbeat_interval_s: int | None
    no_credential: bool
    labels: Mapping[str, str] = field(default_factory=dict)
    allow_weak_credential: bool = False


@dataclass(frozen=True, slots=True)
class BootFacts:
    """The facts of a BootNotification (OCPP 1.6 6.3). at: when it arrived."""

    at: datetime
    vendor: str | None
    model: str | None
    serial_number: str | None = None
    box_serial_number: str | None = None
    firmware_version: str | None = None
    iccid: str | None = None
    imsi: str | None = None
    meter_type: str | None = None
    meter_serial_number: str | None = None


BOOT_TEXTS: Final = tuple(field.name for field in fields(BootFacts) if field.name != "at")
"""Names of the text fields of `BootFacts`, and of their columns in the table of charge points."""


class LastSeen(NamedTuple):
    """When a charge point was last seen.

    clock_skew_s: its clock minus ours; None: keep the stored value; closed: its connection has ended.
    """

    tenant_id: int
    charge_point_id: int
    at: datetime
    clock_skew_s: float | None = None
    closed: "ClosedConnection | None" = None


class ClosedConnection(NamedTuple):
    """The end of a connection. epoch: its number; code: the WebSocket status code (RFC 6455 7.4)."""

    epoch: int
    connected_at: datetime
    code: int


class KnownLogin(NamedTuple):
    """A charge point, and the security profile of its newest login; None: there was none."""

    identity: str
    security_profile: int | None


class Registration(NamedTuple):
    """The operator's settings for a charge point. heartbeat_interval_s None: the default of the server."""

    status: RegistrationStatus
    heartbeat_interval_s: int | None


@dataclass(frozen=True, slots=True)
class Login:
    """Everything that a handshake needs to know, read in one query."""

    tenant_id: int
    tenant_slug: str
    strict_protocol: bool
    charge_point_id: int
    identity: str
    registration_status: RegistrationStatus
    credential_hash: bytes | None
    pending_credential_hash: bytes | None
    pending_until: datetime | None
    no_credential: bool
    heartbeat_interval_s: int | None
    vendor: str | None
    model: str | None
    firmware_version: str | None
    tenant_minimum_profile: int = 0
    minimum_profile: int = 0
    suspension_reason: str | None = None


class LoginProof(NamedTuple):
    """The proof of a login, which must still hold when the login is completed.

    by: a client certificate, a secret whose hash is `credential_hash`, or nothing (`no_credential`).
    """

    by: Literal["certificate", "secret", "nothing"]
    credential_hash: bytes | None = None


BY_CERTIFICATE: Final = LoginProof("certificate")
BY_NOTHING: Final = LoginProof("nothing")


@dataclass(frozen=True, slots=True)
class LiveState:
    """The connection of a charge point. connected_since: None if it is not connected.

    flapping: whether its connections replace each other again and again.
    """

    connected_since: datetime | None = None
    flapping: bool = False


NOT_CONNECTED: Final = LiveState()


@dataclass(frozen=True, slots=True)
class LoginLookup:
    """The charge point that the target of a handshake names.

    login: None if the tenant has no charge point of this identity. other_case: an identity that differs only
    in upper and lower case.
    """

    tenant_exists: bool = False
    login: Login | None = None
    other_case: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectorRecord:
    """The newest known state of one connector; 0 is the charge point itself."""

    charge_point_id: int
    connector_id: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    reported_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One StatusNotification.

    reported_at: the charge point's time, or the arrival if it gave none; epoch: of the connection that
    brought it. Of two reports the one that arrived later counts, whatever their times say.
    """

    connector_id: int
    status: str
    error_code: str
    reported_at: datetime
    received_at: datetime
    epoch: int
    info: str | None = None
    vendor_id: str | None = None
    vendor_error_code: str | None = None


class StatusRecorded(NamedTuple):
    """The result of storing a report.

    is_stored: no later connection has reported, and the limit of connectors is not reached; is_session_over:
    the connector is Available, but has a transaction that has not ended. If nothing was stored: it may have.
    """

    is_stored: bool
    is_session_over: bool


class LabelCount(NamedTuple):
    """A label in use, and how many charge points have it."""

    key: str
    value: str
    charge_points: int


class LabelTerm(NamedTuple):
    """A label that a charge point must have. value None: any value."""

    key: str
    value: str | None = None

    @classmethod
    def of(cls, text: str) -> "LabelTerm":
        """Read `key:value`, or `key` alone. A key has no colon."""
        key, colon, value = text.partition(":")
        return cls(key, value if colon else None)

    @property
    def text(self) -> str:
        """The term as `of` reads it."""
        return self.key if self.value is None else f"{self.key}:{self.value}"


@dataclass(frozen=True, slots=True)
class ChargePointFilter:
    """Narrows a list of charge points. All fields that are set must hold. Other packages select with it, too.

    identity_prefix: in exact case; search: beginning of the identity or the name, in any case; labels: all of
    them; vendor, model, firmware_version: exactly as it booted; identities: exactly these; connected: whether
    a running worker has its connection, which only the service can tell; connector_status: of at least
    one connector.
    """

    identity_prefix: str | None = None
    registration_status: RegistrationStatus | None = None
    search: str | None = None
    labels: tuple[LabelTerm, ...] = ()
    vendor: str | None = None
    model: str | None = None
    firmware_version: str | None = None
    identities: tuple[str, ...] | None = None
    connected: bool | None = None
    connector_status: str | None = None

    @classmethod
    def of(cls, selector: Mapping[str, Any]) -> "ChargePointFilter":
        """Read a selector as requests give it, and as it is stored (`ChargePointSelector`)."""
        identities = selector.get("identities")
        return cls(
            identity_prefix=selector.get("prefix"),
            registration_status=selector.get("registration_status"),
            search=selector.get("search"),
            labels=tuple(LabelTerm.of(text) for text in selector.get("labels") or ()),
            vendor=selector.get("vendor"),
            model=selector.get("model"),
            firmware_version=selector.get("firmware_version"),
            identities=None if identities is None else tuple(identities),
        )

    @property
    def is_impossible(self) -> bool:
        """Tell whether it asks for two values of one label, which no charge point has."""
        pairs = {(term.key, term.value) for term in self.labels if term.value is not None}
        return len({key for key, _ in pairs}) < len(pairs)


@dataclass(frozen=True, slots=True)
class ConnectorFilter:
    """Narrows the list of all connectors. labels: of the charge point; stale: see `heard_after`.

    heard_after: a connector is stale if its charge point was last seen before, or if the newest connection
    has brought no report of the connector.
    """

    heard_after: datetime
    status: str | None = None
    error_code: str | None = None
    labels: tuple[LabelTerm, ...] = ()
    stale: bool | None = None
