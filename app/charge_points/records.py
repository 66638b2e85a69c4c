"""Values about charge points. A field has the name of its column."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, NamedTuple

from app.ocpp.v16 import RegistrationStatus


@dataclass(frozen=True, slots=True)
class ChargePointRecord:
    """One charge point. clock_skew_s: its clock minus ours; epoch: the number of its newest session."""

    id: int
    tenant_id: int
    identity: str
    name: str | None
    registration_status: RegistrationStatus
    credential_hash: bytes | None
    pending_credential_hash: bytes | None
    pending_until: datetime | None
    no_credential: bool
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


@dataclass(frozen=True, slots=True)
class NewChargePointFacts:
    """The input for a new charge point. registration_status None: the default of the tenant."""

    identity: str
    name: str | None
    registration_status: RegistrationStatus | None
    heartbeat_interval_s: int | None
    no_credential: bool


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
    """When a charge point was last seen. clock_skew_s: its clock minus ours; None: keep the stored value."""

    tenant_id: int
    charge_point_id: int
    at: datetime
    clock_skew_s: float | None = None


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


@dataclass(frozen=True, slots=True)
class ChargePointFilter:
    """Narrows a list of charge points. identity_prefix: in exact case."""

    identity_prefix: str | None = None
    registration_status: RegistrationStatus | None = None
