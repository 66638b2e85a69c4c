"""Values of transactions: what charge points report, what the ledger answers, and what is stored.

`flags` name what is odd about a record (`time_unreadable`, ...). They are stored, and never a reason to
refuse it. What every batch of the ledger makes for each of its records is a NamedTuple: a frozen dataclass
takes several times as long to make.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson

from app.clock import microseconds_of
from app.id_tags.records import IdTagKey
from app.types import ChargePointKey, Json

TIME_UNREADABLE = "time_unreadable"
"""Flag: the time was not readable. The time of arrival is stored instead, which no retry is known by."""


DEFAULT_REASON = "Local"
"""OCPP-J 1.6 errata 2.5: a stop without a reason is a local one."""


class MeterReading(NamedTuple):
    """One element of `meterValue` or `transactionData`.

    sampled_at_us: microseconds since 1970; sampled_values: JSON text with the standard's names, as it came;
    unreadable_time: its time as it came, if that was not readable. Then `sampled_at_us` is the time of
    arrival, and this text tells a retry from another sample.
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

    @property
    def charge_point(self) -> ChargePointKey:
        """The charge point that it came from."""
        return ChargePointKey(self.tenant_id, self.charge_point_id)


class TransactionKey(NamedTuple):
    """A stored transaction: its id is unique within its tenant only."""

    tenant_id: int
    id: int


class StartKey(NamedTuple):
    """The key by which a repeated start is recognized; `rules.start_key` returns it. Unique in the table."""

    tenant_id: int
    charge_point_id: int
    connector_id: int
    id_tag_key: str
    started_key: datetime
    meter_start_wh: int

    @property
    def tag(self) -> IdTagKey:
        """The key of its id tag."""
        return IdTagKey(self.tenant_id, self.id_tag_key)


class JudgedStart(NamedTuple):
    """A new start with its answer. id_tag: as it can be stored; flags: those of the start, and our own."""

    start: TransactionStart
    key: StartKey
    id_tag: str
    flags: tuple[str, ...]
    id_tag_info: Json


@dataclass(frozen=True, slots=True)
class TransactionStarted:
    """The durable answer. transaction_id: 1..2^31-1; repeated: the stored answer of an earlier try."""

    transaction_id: int
    id_tag_info: Json
    repeated: bool


class RunningTransaction(NamedTuple):
    """An open transaction whose id tag was accepted: it counts for the limit of its tag."""

    tenant_id: int
    id_tag_key: str
    charge_point_id: int
    connector_id: int
    started_at: datetime


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


class Ending(NamedTuple):
    """The end of a transaction as a stop reports it, in the form in which it is stored."""

    stopped_at: datetime
    meter_stop_wh: int
    reason: str
    id_tag: str | None
    flags: tuple[str, ...] = ()


class StoppableTransaction(NamedTuple):
    """A stored transaction, as far as a stop is matched to it.

    flags: of the start and of the stop; ending None: it is open; id_tag_info: what its stop was answered;
    named_id: the transactionId that its stop named, as text.
    """

    id: int
    tenant_id: int
    charge_point_id: int
    connector_id: int
    id_tag_key: str
    started_at: datetime
    meter_start_wh: int
    flags: tuple[str, ...] = ()
    ending: Ending | None = None
    id_tag_info: Json | None = None
    named_id: str | None = None

    @property
    def key(self) -> TransactionKey:
        """The key of its row."""
        return TransactionKey(self.tenant_id, self.id)


StopOutcome = Literal["closed", "repeated", "conflict", "orphan"]


@dataclass(frozen=True, slots=True)
class StopRecorded:
    """The durable answer to a stop. transaction_id: the transaction it was matched to, None for an orphan."""

    outcome: StopOutcome
    id_tag_info: Json | None
    transaction_id: int | None = None


@dataclass(frozen=True, slots=True)
class WaitingStop:
    """A stop without valid transactionId that no transaction fitted when it came: its start may come later.

    named_id: the transactionId that it named; payload: the message as it is kept.
    """

    id: int
    tenant_id: int
    charge_point_id: int
    named_id: int
    received_at: datetime
    ending: Ending
    payload: Json


class Closing(NamedTuple):
    """One transaction to close, by the stop that ends it. raw: the stop as it came; flags: new ones."""

    transaction: StoppableTransaction
    ending: Ending
    received_at: datetime
    id_tag_info: Json | None
    raw: Json
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JoinedStop:
    """A stop that waited, and the new transaction that it closes."""

    stop: WaitingStop
    closing: Closing


class SamplePlace(NamedTuple):
    """Where the transactionData of a stop is stored. connector_id: 0 if no transaction tells it."""

    transaction_id: int
    connector_id: int


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
    """A billing message that was refused for its structure: kept as it came, so that nothing is lost."""

    tenant_id: int
    charge_point_id: int
    action: str
    payload: Any
    raw: str
    received_at: datetime


LedgerRecord = TransactionStart | TransactionStop | MeterReadings | InvalidRecord
LedgerAnswer = TransactionStarted | StopRecorded | None


class TransactionRecord(NamedTuple):
    """One stored transaction; `id` is the OCPP transactionId. Its two times are the charge point's.

    The fields `*_json` hold JSON as PostgreSQL writes it. A plain tuple, as listings make many.
    """

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
    id_tag_info_json: str
    stopped_at: datetime | None
    stopped_received_at: datetime | None
    meter_stop_wh: int | None
    stop_reason: str | None
    stop_id_tag: str | None
    stop_id_tag_info_json: str | None
    stop_raw_json: str | None
    flags: tuple[str, ...]
    remote_start_command_id: UUID | None

    @property
    def id_tag_info(self) -> Json:
        """The `idTagInfo` that the start was answered with."""
        value: Json = orjson.loads(self.id_tag_info_json)
        return value

    @property
    def stop_id_tag_info(self) -> Json | None:
        """The `idTagInfo` that the stop was answered with."""
        return _optional_json(self.stop_id_tag_info_json)

    @property
    def stop_raw(self) -> Json | None:
        """The StopTransaction as it came, without its transactionData."""
        return _optional_json(self.stop_raw_json)


class MeterValueRecord(NamedTuple):
    """One stored element of `meterValue`. sampled_values_json: the `sampledValue` objects as they came.

    A plain tuple, as listings make many.
    """

    charge_point_id: int
    connector_id: int
    transaction_id: int | None
    sampled_at: datetime
    received_at: datetime
    context: Literal["periodic", "stop"]
    sampled_values_json: str
    digest: int

    @property
    def sampled_values(self) -> list[Json]:
        """The `sampledValue` objects with the standard's names."""
        value: list[Json] = orjson.loads(self.sampled_values_json)
        return value


OrphanKind = Literal["stop_unknown_transaction", "stop_conflict", "invalid"]


@dataclass(frozen=True, slots=True)
class Orphan:
    """A billing message without a place, to be stored. payload: JSON text.

    stopped_at: the time that a stop names; transaction_id: the transaction that a conflict is about.
    """

    tenant_id: int
    charge_point_id: int
    kind: OrphanKind
    action: str
    payload: str
    raw: str | None
    received_at: datetime
    stopped_at: datetime | None = None
    transaction_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredOrphan:
    """A stored billing message that fits no transaction. transaction_id: what it was joined to."""

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


def _optional_json(text: str | None) -> Json | None:
    return None if text is None else orjson.loads(text)
