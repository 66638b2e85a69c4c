"""What the API answers: one frozen model for each resource, made from the records of the store.

Names are snake_case; times RFC 3339 UTC with milliseconds and `Z`. OCPP payloads keep their wire names.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from app.clock import utc_text
from app.database.records import (
    ChargePointRecord,
    CommandState,
    Direction,
    IdTagStatus,
    OrphanKind,
    RegistrationStatus,
    Scope,
)

Instant = Annotated[
    datetime,
    PlainSerializer(utc_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
Json = dict[str, Any]


class Resource(BaseModel):
    """Base of all resources."""

    model_config = ConfigDict(frozen=True, from_attributes=True, populate_by_name=True)


class Tenant(Resource):
    """An operator with charge points, tags, transactions and keys of its own."""

    slug: str = Field(description="Name in URLs; charge points connect to /ocpp/{slug}/{identity}.")
    name: str
    strict_protocol: bool = Field(description="Refuse what tolerance would mend.")
    default_registration: RegistrationStatus = Field(description="What a new charge point gets.")
    created_at: Instant


class ApiKey(Resource):
    """A key without its secret, which is nowhere stored."""

    id: UUID
    name: str
    prefix: str = Field(description="The readable middle of the token: sm_{prefix}_{secret}.")
    scopes: list[Scope]
    expires_at: Instant | None
    revoked_at: Instant | None
    created_at: Instant
    last_used_at: Instant | None


class NewApiKey(ApiKey):
    """A key just made, with the token that is shown this once."""

    token: str = Field(description="Send it as `Authorization: Bearer ...`. It is shown this once only.")


class ChargePoint(Resource):
    """A charge point: what an operator set, what it reported, and whether it is connected now."""

    identity: str = Field(description="The last segment of its URL (OCPP-J 3.1.1).")
    name: str | None
    registration_status: RegistrationStatus = Field(description="Answer to BootNotification.")
    no_credential: bool = Field(description="True: it may connect without a credential. A risk you chose.")
    has_credential: bool
    heartbeat_interval_s: int | None = Field(description="Seconds; null: the server's default.")
    vendor: str | None
    model: str | None
    serial_number: str | None
    box_serial_number: str | None
    firmware_version: str | None
    iccid: str | None
    imsi: str | None
    meter_type: str | None
    meter_serial_number: str | None
    connected: bool = Field(description="Whether a worker that is alive holds its socket now.")
    connected_since: Instant | None = Field(description="Start of the present connection.")
    last_connected_at: Instant | None = Field(description="Start of the newest connection.")
    last_seen_at: Instant | None
    booted_at: Instant | None
    clock_skew_s: float | None = Field(description="Its clock minus ours, seconds.")
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, record: ChargePointRecord, connected_since: datetime | None) -> Self:
        """Join the record and the live state. connected_since: None when it is not connected."""
        return cls(
            has_credential=record.credential_hash is not None,
            connected=connected_since is not None,
            connected_since=connected_since,
            last_connected_at=record.connected_at,
            **{name: getattr(record, name) for name in _CHARGE_POINT_COLUMNS},
        )


_CHARGE_POINT_COLUMNS = tuple(
    name
    for name in ChargePoint.model_fields
    if name not in ("has_credential", "connected", "connected_since", "last_connected_at")
)
CHARGE_POINT_LIVE_FIELDS = frozenset(
    {
        *("connected", "connected_since", "last_connected_at", "last_seen_at", "booted_at", "clock_skew_s"),
        *("vendor", "model", "serial_number", "box_serial_number", "firmware_version", "iccid", "imsi"),
        *("meter_type", "meter_serial_number", "updated_at"),
    }
)
"""What changes without an operator's hand: outside If-Match."""


class Credential(Resource):
    """What a charge point needs to connect, shown this once."""

    username: str = Field(description="Basic authentication user: the identity (OCPP-J 6.2.2).")
    password: str = Field(
        description="40 hexadecimal digits, as an AuthorizationKey is set. Shown this once."
    )
    path: str = Field(
        description="Where the charge point connects to, below the server's ws:// or wss:// URL."
    )


class NewChargePoint(Resource):
    """A charge point just made, with its credential."""

    charge_point: ChargePoint
    credential: Credential | None = Field(description="null when it may connect without one.")


class Connector(Resource):
    """The newest known state of a connector; 0 is the charge point itself (OCPP 1.6 4.9)."""

    connector_id: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    reported_at: Instant
    received_at: Instant


class Connectors(Resource):
    """All connectors of a charge point."""

    items: list[Connector]


class ConfigurationKey(Resource):
    """What a charge point last said of one configuration key."""

    key: str
    value: str | None = Field(description="null: never reported, or secret.")
    readonly: bool | None
    reported_at: Instant


class Configuration(Resource):
    """The known configuration of a charge point. Send GetConfiguration to refresh it."""

    items: list[ConfigurationKey]


class IdTag(Resource):
    """A tag that may, or may not, start transactions."""

    id_tag: str
    status: IdTagStatus
    expires_at: Instant | None
    parent_id_tag: str | None = Field(description="Group; never compared with a presented tag.")
    max_active_transactions: int | None = Field(description="null: no limit.")
    note: str | None
    created_at: Instant
    updated_at: Instant


class Transaction(Resource):
    """A transaction; `id` is the OCPP transactionId. Times are the charge point's, `*_received_at` ours."""

    id: int
    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    connector_id: int
    id_tag: str
    started_at: Instant
    started_received_at: Instant
    meter_start_wh: int
    reservation_id: int | None
    id_tag_info: Json = Field(description="The idTagInfo that StartTransaction was answered with.")
    stopped_at: Instant | None
    stopped_received_at: Instant | None = Field(description="null: the transaction is open.")
    meter_stop_wh: int | None
    energy_wh: int | None = Field(description="meter_stop_wh - meter_start_wh; negative when flagged so.")
    stop_reason: str | None
    stop_id_tag: str | None
    stop_id_tag_info: Json | None
    flags: list[str] = Field(description="What is odd about it, such as meter_decreased.")
    remote_start_command_id: UUID | None


class MeterValue(Resource):
    """One `meterValue` element: samples of one moment."""

    connector_id: int
    transaction_id: int | None
    sampled_at: Instant
    received_at: Instant
    context: Literal["periodic", "stop"] = Field(description="From MeterValues, or from StopTransaction.")
    sampled_values: list[Json] = Field(
        description="The `sampledValue` objects as the charge point sent them."
    )


class OrphanRecord(Resource):
    """A billing message that fits no transaction, kept as it came."""

    kind: OrphanKind = Field(
        description="`stop_unknown_transaction`: no such transaction; `stop_conflict`: the transaction was "
        "stopped before, otherwise; `invalid`: refused for its structure."
    )
    action: str
    payload: Any = Field(description="As far as it could be read; any JSON value, if `kind` is `invalid`.")
    raw: str | None = Field(description="The frame as it came, if `kind` is `invalid`.")
    received_at: Instant
    transaction_id: int | None = Field(
        description="The transaction it names, or was joined to since; null: none known."
    )


class CommandError(Resource):
    """Why a command has no result."""

    code: str
    description: str


class Command(Resource):
    """A CALL to a charge point, from its issue to its end and the effect that was observed after it."""

    id: UUID
    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    action: str
    payload: Json = Field(description="The request as sent, without secrets.")
    state: CommandState
    created_at: Instant
    deadline_at: Instant
    timeout_s: float
    issued_by: str
    sent_at: Instant | None
    finished_at: Instant | None
    result: Json | None = Field(description="The charge point's answer.")
    error: CommandError | None
    late_result: Json | None = Field(description="An answer that came after the time-out.")
    effect: Json | None = Field(description="What followed, such as the transactionId of a remote start.")


class Frame(Resource):
    """One frame of the frame log. Secrets are out of `text`."""

    at: Instant
    direction: Direction = Field(description="`in`: from the charge point.")
    text: str
    deviations: list[Json] | None = Field(description="Departures from the standard that were mended.")
    connection_id: str


class ChargingProfile(Resource):
    """A stored charging profile. Its `id` is the chargingProfileId on the wire, and is never given again."""

    id: int
    description: str
    charging_profile: Json | None = Field(description="As it was given; null when it is a calendar.")
    calendar: Json | None = Field(description="As it was given; null when it is an OCPP profile.")
    profiles: list[Json] = Field(
        description="What is installed now: OCPP profiles; of a calendar compiled for the present offset of "
        "its zone, each with a number and a stack level of its own."
    )
    next_clock_change: Instant | None = Field(
        description="When a calendar must be installed anew, which happens by itself."
    )
    created_at: Instant
    updated_at: Instant


CHARGING_PROFILE_LIVE_FIELDS = frozenset({"profiles", "next_clock_change"})
"""What changes with the time alone: outside If-Match."""


class ProfileInstallation(Resource):
    """A charge point that has, or may have, a stored profile."""

    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    connector_id: int
    transaction_id: int | None = Field(description="The transaction of a TxProfile.")
    requested_at: Instant
    refresh_at: Instant | None = Field(description="When it is looked at again; null: when it changes.")


class ProfileCommands(Resource):
    """The commands of a request about charging profiles, in the order of sending."""

    commands: list[Command]


class InstalledProfile(Resource):
    """A charging profile as the ledger knows it."""

    charging_profile_id: int
    connector_id: int | None = Field(description="null: a remote start has not found its connector yet.")
    state: Literal["accepted", "unconfirmed", "rejected", "not_supported"] = Field(
        description="`accepted`: it is on the charge point. `unconfirmed`: it may be, or not. The others are "
        "not, and limit nothing."
    )
    waiting: bool = Field(description="Its transaction has not begun.")
    profile: Json
    reason: str | None = Field(description="Code of the CALLERROR it was refused with.")
    command_id: UUID = Field(description="The newest command that carried it.")


class InstalledProfiles(Resource):
    """The ledger of a charge point, from what it accepted: OCPP 1.6 cannot read profiles back."""

    certain: bool = Field(
        description="False: an answer is missing, and limits count as the highest possible."
    )
    items: list[InstalledProfile]


class ReportedSchedule(Resource):
    """What the charge point says itself (GetCompositeSchedule, OCPP 1.6 5.7), or why it says nothing."""

    command_id: UUID
    state: CommandState = Field(description="Of the command: `timed_out`, `offline`, ...")
    status: str | None = Field(description="`Accepted` or `Rejected`; null: no answer.")
    schedule: Json | None = Field(description="The chargingSchedule as it came.")


class ScheduleDeparture(Resource):
    """A stretch in which the two say different things. A limit is null where there is none."""

    start: Instant
    end: Instant
    ours: float | None
    reported: float | None
    difference: float | None = Field(description="reported - ours; null without both.")


class ScheduleDrift(Resource):
    """Where the charge point's schedule departs from ours, in its unit and from its start on."""

    agrees: bool
    charging_rate_unit: Literal["A", "W"]
    departures: list[ScheduleDeparture]


class ConnectorSchedule(Resource):
    """The limits of a connector over time, from the ledger, beside what the charge point says of them."""

    charge_point: str
    connector_id: int
    certain: bool = Field(description="As in the ledger: False when an answer is missing.")
    ours: Json = Field(
        description="scheduleStart, duration, chargingRateUnit and chargingSchedulePeriod with the source of "
        "each limit and the profiles it beats; a limit is null where nothing limits."
    )
    reported: ReportedSchedule | None = Field(description="null: it was not asked.")
    drift: ScheduleDrift | None = Field(
        description="null: there is nothing to compare, as without an answer, in a unit that nobody knows, "
        "for no duration, or in amperes beside watts of direct current."
    )
