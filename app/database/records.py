"""The rows of the record as the rest of the application sees them: frozen, named as the columns are.

Times are aware UTC. `*_wh` are watt-hours as integers, as the charge point reported them. No SQL here.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

Json = dict[str, Any]
RegistrationStatus = Literal["Accepted", "Pending", "Rejected"]
IdTagStatus = Literal["Accepted", "Blocked", "Expired", "Invalid"]
Scope = Literal["read", "command", "write", "admin"]
Direction = Literal["in", "out"]
CommandState = Literal[
    "queued",
    "sent",
    "accepted",
    "rejected",
    "call_error",
    "timed_out",
    "offline",
    "expired",
    "cancelled",
    "connection_lost",
]
OPEN_COMMAND_STATES: tuple[CommandState, ...] = ("queued", "sent")
"""The states that are not terminal."""


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """One tenant. default_registration: the status that a charge point gets when it is created."""

    id: int
    slug: str
    name: str
    strict_protocol: bool
    default_registration: RegistrationStatus
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKeyRecord:
    """One API key. tenant_id None: a platform administrator. secret_hash: HMAC-SHA256(pepper, secret)."""

    id: UUID
    tenant_id: int | None
    name: str
    prefix: str
    secret_hash: bytes
    scopes: tuple[Scope, ...]
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None


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
class IdTagRecord:
    """One id tag. id_tag_key: the folded form, unique; max_active_transactions None: no limit."""

    tenant_id: int
    id_tag: str
    id_tag_key: str
    status: IdTagStatus
    expires_at: datetime | None
    parent_id_tag: str | None
    max_active_transactions: int | None
    note: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """One transaction; `id` is the OCPP transactionId. Its two times are the charge point's."""

    id: int
    tenant_id: int
    charge_point_id: int
    identity: str
    connector_id: int
    id_tag: str
    id_tag_key: str
    started_at: datetime
    started_received_at: datetime
    meter_start_wh: int
    reservation_id: int | None
    id_tag_info: Json
    stopped_at: datetime | None
    stopped_received_at: datetime | None
    meter_stop_wh: int | None
    stop_reason: str | None
    stop_id_tag: str | None
    stop_id_tag_info: Json | None
    stop_raw: Json | None
    flags: tuple[str, ...]
    remote_start_command_id: UUID | None


@dataclass(frozen=True, slots=True)
class MeterValueRecord:
    """One element of `meterValue`; sampled_values are the `sampledValue` objects with their wire names."""

    charge_point_id: int
    connector_id: int
    transaction_id: int | None
    sampled_at: datetime
    received_at: datetime
    context: Literal["periodic", "stop"]
    sampled_values: list[Json]
    digest: int


OrphanKind = Literal["stop_unknown_transaction", "stop_conflict", "invalid"]


@dataclass(frozen=True, slots=True)
class OrphanRecord:
    """A billing message that fits no transaction, kept as it came. transaction_id: what it was joined to."""

    id: int
    tenant_id: int
    charge_point_id: int
    kind: OrphanKind
    action: str
    payload: Json
    raw: str | None
    received_at: datetime
    transaction_id: int | None


class Holder(NamedTuple):
    """The session that a command is for. charge_point_id: which may be one of the same identity no more."""

    charge_point_id: int
    worker: str
    epoch: int


class SentFacts(NamedTuple):
    """When a CALL went out, and on which session of which worker."""

    worker: str
    epoch: int
    at: datetime


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command to record. holder None: its charge point is not connected. For the rest: CommandRecord."""

    id: UUID
    identity: str
    action: str
    payload: Json
    created_at: datetime
    deadline_at: datetime
    timeout_s: float
    issued_by: str
    holder: Holder | None
    idempotency_key: str | None
    request_digest: bytes
    credential_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command. payload: without secrets; error: {code, description}; effect: what was observed.

    worker and epoch: the process and the session that hold it; credential_hash: of the key it sets, if it
    sets one.
    """

    id: UUID
    tenant_id: int
    charge_point_id: int
    identity: str
    action: str
    payload: Json
    state: CommandState
    created_at: datetime
    deadline_at: datetime
    timeout_s: float
    issued_by: str
    sent_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str | None = None
    epoch: int | None = None
    result: Json | None = None
    error: Json | None = None
    late_result: Json | None = None
    effect: Json | None = None
    idempotency_key: str | None = None
    request_digest: bytes | None = None
    credential_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class ConfigurationRecord:
    """What a charge point last said of one of its configuration keys."""

    charge_point_id: int
    key: str
    value: str | None
    readonly: bool | None
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame of the frame log; secrets are already out of `text`.

    run_at: when the last frame that was kept together with this one came.
    """

    id: int
    run_at: datetime
    charge_point_id: int
    at: datetime
    direction: Direction
    text: str
    deviations: list[Json] | None
    connection_id: str


@dataclass(frozen=True, slots=True)
class ChargingProfileRecord:
    """One stored charging profile, in one of its two forms. id: the chargingProfileId on the wire.

    charging_profile: OCPP 1.6 7.8 with its wire names, without chargingProfileId and transactionId;
    calendar: rules of local time that are compiled to such profiles.
    """

    tenant_id: int
    id: int
    description: str
    charging_profile: Json | None
    calendar: Json | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class InstallationRecord:
    """A stored profile that should be on a charge point. conversion: how to change its unit, None: not at
    all.

    refresh_at: when it must be looked at, None: not before something changes.
    """

    tenant_id: int
    charging_profile_id: int
    charge_point_id: int
    identity: str
    connector_id: int
    transaction_id: int | None
    conversion: Json | None
    requested_at: datetime
    refresh_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProfileCommandRecord:
    """A command that may have changed the charging profiles of a charge point, and what became of it."""

    id: UUID
    action: str
    payload: Json
    state: CommandState
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    result: Json | None
    error: Json | None
    late_result: Json | None
    effect: Json | None


@dataclass(frozen=True, slots=True)
class ConnectorTransaction:
    """When a transaction ran on its connector: what a TxProfile lives and dies with."""

    id: int
    connector_id: int
    started_at: datetime
    started_received_at: datetime
    stopped_received_at: datetime | None
    remote_start_command_id: UUID | None
