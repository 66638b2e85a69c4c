"""Values of transactions: what charge points report, what the ledger answers, and what is stored.

`flags` name what is odd about a record (`time_unreadable`, ...). They are stored, and never a reason to
refuse it. What every batch of the ledger makes for each of its records is a NamedTuple: a frozen dataclass
takes several times as long to make.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

from app.audit.records import NewAuditEntry
from app.clock import microseconds_of
from app.id_tags.records import IdTagKey
from app.quirks.records import NO_HABITS, Habits
from app.types import ChargePointKey, Json

TIME_MISSING: Final = "time_missing"
"""Flag: the message bore no time."""
TIME_UNREADABLE: Final = "time_unreadable"
"""Flag: the time was not readable."""
TIME_IMPLAUSIBLE: Final = "time_implausible"
"""Flag: the time lay before 2015 or more than an hour ahead of ours."""
UNDATED: Final = frozenset({TIME_MISSING, TIME_UNREADABLE, TIME_IMPLAUSIBLE})
"""Flags of a record whose time says nothing. Its time of arrival is stored, which no retry is known by."""

DEFAULT_REASON = "Local"
"""OCPP-J 1.6 errata 2.5: a stop without a reason is a local one."""


class MeterReading(NamedTuple):
    """One element of `meterValue` or `transactionData`.

    sampled_at_us: microseconds since 1970; sampled_values: JSON text with the standard's names, as it came;
    reported_time: its time as it came, if that says nothing; "" if it bore none. Then `sampled_at_us` is the
    time of arrival, and this text tells a retry from another sample.
    """

    sampled_at_us: int
    sampled_values: str
    reported_time: str | None = None


@dataclass(frozen=True, slots=True)
class TransactionStart:
    """StartTransaction (OCPP 1.6 4.8).

    started_at: the charge point's time, or that of the arrival if it says nothing; meter_start_wh: its
    register, None if it told none; epoch, message_id: of the connection and the CALL that brought it;
    evidence: its frame, packed; external_info: `idTagInfo` of the webhook or its fallback, None: neither.
    """

    tenant_id: int
    charge_point_id: int
    connector_id: int
    id_tag: str
    started_at: datetime
    received_at: datetime
    meter_start_wh: int | None
    reservation_id: int | None = None
    flags: tuple[str, ...] = ()
    raw: Json = field(default_factory=dict)
    epoch: int = 0
    message_id: str = ""
    evidence: bytes | None = None
    external_info: Json | None = None
    habits: Habits = NO_HABITS

    @property
    def charge_point(self) -> ChargePointKey:
        """The charge point that it came from."""
        return ChargePointKey(self.tenant_id, self.charge_point_id)


class TransactionKey(NamedTuple):
    """A stored transaction: its id is unique within its tenant only."""

    tenant_id: int
    id: int


class StartKey(NamedTuple):
    """The key by which a repeated start is recognized; `rules.start_key` returns it.

    Several starts whose time says nothing may have the same one: they are numbered.
    """

    tenant_id: int
    charge_point_id: int
    connector_id: int
    id_tag_key: str
    started_key: datetime
    meter_start_wh: int | None

    @property
    def tag(self) -> IdTagKey:
        """The key of its id tag."""
        return IdTagKey(self.tenant_id, self.id_tag_key)


class StoredStart(NamedTuple):
    """The newest stored start with a key.

    number: among those; is_stopped: its stop has come; is_named: that stop, or one that contradicts it, named
    its transactionId; epoch: of the connection that brought the start.
    """

    transaction_id: int
    id_tag_info: Json
    number: int
    message_id: str | None
    is_stopped: bool
    is_named: bool
    epoch: int


class JudgedStart(NamedTuple):
    """A new start with its answer.

    id_tag: as it can be stored; flags: those of the start, and our own; number: among those with its key.
    """

    start: TransactionStart
    key: StartKey
    id_tag: str
    flags: tuple[str, ...]
    id_tag_info: Json
    number: int = 0


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


@dataclass(frozen=True, slots=True)
class TransactionStop:
    """StopTransaction (OCPP 1.6 4.10).

    transaction_id may be anything, -1, 0 and None included; stopped_at: the charge point's time, or that of
    the arrival if it says nothing; meter_stop_wh: its register, None if it told none.
    """

    tenant_id: int
    charge_point_id: int
    transaction_id: int | None
    stopped_at: datetime
    received_at: datetime
    meter_stop_wh: int | None
    id_tag: str | None = None
    reason: str | None = None
    transaction_data: tuple[MeterReading, ...] = ()
    flags: tuple[str, ...] = ()
    raw: Json = field(default_factory=dict)
    evidence: bytes | None = None
    habits: Habits = NO_HABITS

    @property
    def received_at_us(self) -> int:
        """`received_at` in microseconds since 1970."""
        return microseconds_of(self.received_at)


class Ending(NamedTuple):
    """The end of a transaction as a stop reports it, in the form in which it is stored."""

    stopped_at: datetime
    meter_stop_wh: int | None
    reason: str
    id_tag: str | None
    flags: tuple[str, ...] = ()

    @property
    def is_dated(self) -> bool:
        """Whether its time is the one that the charge point reported."""
        return UNDATED.isdisjoint(self.flags)


class StoppableTransaction(NamedTuple):
    """A stored transaction, as far as a stop is matched to it.

    flags: of the start and of the stop; ending None: it is open; id_tag_info: what its stop was answered;
    named_id: the transactionId that its stop named, as text; epoch: of the connection that brought its start.
    """

    id: int
    tenant_id: int
    charge_point_id: int
    connector_id: int
    id_tag_key: str
    started_at: datetime
    meter_start_wh: int | None
    flags: tuple[str, ...] = ()
    ending: Ending | None = None
    id_tag_info: Json | None = None
    named_id: str | None = None
    epoch: int = 0

    @property
    def arrival(self) -> tuple[int, int]:
        """The order in which starts of one charge point arrived."""
        return self.epoch, self.id

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

    payload: the message as it is kept; samples_from, samples_to: the times of its samples, if it has any.
    """

    id: int
    tenant_id: int
    charge_point_id: int
    received_at: datetime
    ending: Ending
    payload: Json
    samples_from: datetime | None = None
    samples_to: datetime | None = None


class LateRegister(NamedTuple):
    """The register of a closed transaction that had none. flags: new ones; received_at: when it came."""

    key: TransactionKey
    meter_stop_wh: int
    flags: tuple[str, ...]
    received_at: datetime


class Closing(NamedTuple):
    """One transaction to close, by the stop that ends it.

    raw: the stop as it came; flags: new ones; evidence: its frame, packed.
    """

    transaction: StoppableTransaction
    ending: Ending
    received_at: datetime
    id_tag_info: Json | None
    raw: Json
    flags: tuple[str, ...]
    evidence: bytes | None = None


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
class DamagedRecord:
    """The text of a billing message of which something could not be read, and what that was.

    Each text is kept once. transaction_id: as the message names it.
    """

    tenant_id: int
    charge_point_id: int
    action: str
    raw: str
    deviations: list[Json]
    received_at: datetime
    transaction_id: int | None = None


PresumedReason = Literal["later_start", "boot", "available", "operator"]
"""The sign that a transaction is over although its stop has not come."""


@dataclass(frozen=True, slots=True)
class SessionsOver:
    """A sign that transactions are over. connector_id None: those of the whole charge point."""

    tenant_id: int
    charge_point_id: int
    connector_id: int | None
    reason: PresumedReason
    received_at: datetime
    habits: Habits = NO_HABITS


OperatorOutcome = Literal["done", "stopped", "no_such_record", "other_charge_point", "attached_before"]
"""The outcome of an act of an operator."""


@dataclass(frozen=True, slots=True)
class OperatorEnd:
    """An operator ends a transaction whose stop does not come. meter_stop_wh: what they read, if they did."""

    tenant_id: int
    charge_point_id: int
    transaction_id: int
    meter_stop_wh: int | None
    received_at: datetime
    entry: NewAuditEntry
    habits: Habits = NO_HABITS


@dataclass(frozen=True, slots=True)
class OrphanAttachment:
    """An operator attaches an orphan record to a transaction."""

    tenant_id: int
    charge_point_id: int
    transaction_id: int
    orphan_id: int
    received_at: datetime
    entry: NewAuditEntry
    habits: Habits = NO_HABITS


LedgerRecord = (
    TransactionStart
    | TransactionStop
    | MeterReadings
    | DamagedRecord
    | SessionsOver
    | OperatorEnd
    | OrphanAttachment
)
LedgerAnswer = TransactionStarted | StopRecorded | OperatorOutcome | None


OrphanKind = Literal["stop_unknown_transaction", "stop_conflict", "invalid", "damaged"]


@dataclass(frozen=True, slots=True)
class Orphan:
    """A billing message without a place, to be stored. payload: JSON text.

    stopped_at, meter_stop_wh, id_tag_key: what a stop tells; transaction_id: the transaction that a conflict
    is about; awaits_start: its start may come later; samples_from, samples_to: the times of its samples.
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
    meter_stop_wh: int | None = None
    id_tag_key: str | None = None
    awaits_start: bool = False
    samples_from: datetime | None = None
    samples_to: datetime | None = None
