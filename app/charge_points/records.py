"""Charge points as the rest of the application sees them: frozen, named as the columns are."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, NamedTuple

from app.ocpp.v16 import RegistrationStatus


@dataclass(frozen=True, slots=True)
class ChargePointRecord:
    """One charge point. clock_skew_s: its clock minus ours; epoch: number of its newest session."""

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
    """What an operator says of a new charge point. registration_status None: the tenant's default."""

    identity: str
    name: str | None
    registration_status: RegistrationStatus | None
    heartbeat_interval_s: int | None
    no_credential: bool


@dataclass(frozen=True, slots=True)
class BootFacts:
    """What BootNotification says of a charge point (OCPP 1.6 6.3)."""

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
"""Names of the texts in `BootFacts`, which are also columns of a charge point."""


class SignOfLife(NamedTuple):
    """When a charge point was last heard. clock_skew_s: by how much its clock is ahead; None: as before."""

    tenant_id: int
    charge_point_id: int
    at: datetime
    clock_skew_s: float | None = None


class Registration(NamedTuple):
    """What the operator has decided of a charge point. heartbeat_interval_s None: as for all others."""

    status: RegistrationStatus
    heartbeat_interval_s: int | None


@dataclass(frozen=True, slots=True)
class Login:
    """All that a handshake needs to know, read in one query."""

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
    """One StatusNotification. reported_at: the charge point's time, or ours when it gave none."""

    connector_id: int
    status: str
    error_code: str
    reported_at: datetime
    received_at: datetime
    info: str | None = None
    vendor_id: str | None = None
    vendor_error_code: str | None = None


@dataclass(frozen=True, slots=True)
class ChargePointFilter:
    """identity_prefix: exact case."""

    identity_prefix: str | None = None
    registration_status: RegistrationStatus | None = None
