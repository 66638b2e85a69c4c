"""What goes into the ledger, and what comes back: one frozen record for each billing message.

`flags` name what is odd about a record (`time_unreadable`, ...); they are stored, and never a reason to
refuse it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

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
