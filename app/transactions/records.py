"""Values of transactions: what charge points report, what the ledger answers, and what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from app.clock import microseconds_of
from app.types import Json

TIME_UNREADABLE = "time_unreadable"
"""Flag: the time could not be read; the time of arrival stands in for it, but not in a retry's key."""


class MeterReading(NamedTuple):
    """One element of `meterValue` or `transactionData`.

    sampled_at_us: microseconds since 1970; sampled_values: JSON text with the wire names, as it came;
    unreadable_time: its time as it came, if that could not be read: then the time of arrival stands in for
    it, and this text tells a retry from another sample.
    """

    sampled_at_us: int
    sampled_values: str
    unreadable_time: str | None = None


@dataclass(frozen=True, slots=True)
class TransactionStart:
    """StartTransaction (OCPP 1.6 4.8). started_at: the charge point's time, meter_start_wh: its register."""

    tenant_id: int
    charge_point_id: int
    connector_id: int
    id_tag: str
    started_at: datetime
    received_at: datetime
    meter_start_wh: int
    reservation_id: int | None = None
    flags: tuple[str, ...] = ()
    raw: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TransactionStarted:
    """The durable answer. transaction_id: 1..2^31-1; repeated: the stored answer of an earlier try."""

    transaction_id: int
    id_tag_info: Json
    repeated: bool


@dataclass(frozen=True, slots=True)
class TransactionStop:
    """StopTransaction (OCPP 1.6 4.10). transaction_id may be anything, -1 and 0 included."""

    tenant_id: int
    charge_point_id: int
    transaction_id: int
    stopped_at: datetime
    received_at: datetime
    meter_stop_wh: int
    id_tag: str | None = None
    reason: str | None = None
    transaction_data: tuple[MeterReading, ...] = ()
    flags: tuple[str, ...] = ()
    raw: Json = field(default_factory=dict)

    @property
    def received_at_us(self) -> int:
        """`received_at` in microseconds since 1970."""
        return microseconds_of(self.received_at)


@dataclass(frozen=True, slots=True)
class StopRecorded:
    """What became of a stop. transaction_id: the transaction it was matched to, None for an orphan."""

    outcome: Literal["closed", "repeated", "conflict", "orphan"]
    id_tag_info: Json | None
    transaction_id: int | None = None


class MeterReadings(NamedTuple):
    """MeterValues (OCPP 1.6 4.7). transaction_id as reported; without a valid one it is looked up by time.

    A plain tuple, as it is made for every frame of every charging car.
    """

    tenant_id: int
    charge_point_id: int
    connector_id: int
    transaction_id: int | None
    received_at_us: int
    readings: Sequence[MeterReading]


@dataclass(frozen=True, slots=True)
class InvalidRecord:
    """A billing message that was refused for its structure: kept raw, so that nothing is lost."""

    tenant_id: int
    charge_point_id: int
    action: str
    payload: Any
    raw: str
    received_at: datetime


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


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """open: True for running, False for stopped ones. from_at, to_at: bounds of started_at."""

    identity: str | None = None
    connector_id: int | None = None
    id_tag: str | None = None
    open: bool | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MeterValueFilter:
    """from_at, to_at: bounds of sampled_at."""

    connector_id: int | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
