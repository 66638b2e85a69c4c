"""Values of transactions as they are read: stored transactions, meter values, orphan records, filters."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson

from app.transactions.records import OrphanKind, PresumedReason
from app.types import Json


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
    meter_start_wh: int | None
    reservation_id: int | None
    id_tag_info_json: str
    stopped_at: datetime | None
    stopped_received_at: datetime | None
    meter_stop_wh: int | None
    stop_reason: str | None
    stop_id_tag: str | None
    stop_id_tag_info_json: str | None
    stop_raw_json: str | None
    presumed_ended_at: datetime | None
    presumed_ended_reason: PresumedReason | None
    last_meter_wh: int | None
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


class ChangePlace(NamedTuple):
    """The place of the last change of a transaction among all changes of its tenant.

    position: of its event; 0 of a transaction that was there before there were events.
    """

    position: int
    transaction_id: int


class ChangedTransaction(NamedTuple):
    """A transaction as it is now, and the place of its last change that is known."""

    change: ChangePlace
    record: TransactionRecord


class MeterValueRecord(NamedTuple):
    """One stored element of `meterValue`. sampled_values_json: the `sampledValue` objects as they came.

    reported_time: its time as it came, if that says nothing. A plain tuple, as listings make many.
    """

    charge_point_id: int
    connector_id: int
    transaction_id: int | None
    sampled_at: datetime
    received_at: datetime
    context: Literal["periodic", "stop"]
    sampled_values_json: str
    digest: int
    reported_time: str | None = None

    @property
    def sampled_values(self) -> list[Json]:
        """The `sampledValue` objects with the standard's names."""
        value: list[Json] = orjson.loads(self.sampled_values_json)
        return value


class PackedEvidence(NamedTuple):
    """The frames of a transaction as they are stored; None: from before they were, or there is none."""

    start_evidence: bytes | None
    stop_evidence: bytes | None


@dataclass(frozen=True, slots=True)
class StoredOrphan:
    """A stored billing message that fits no transaction. transaction_id: what it was joined to."""

    id: int
    tenant_id: int
    charge_point_id: int
    kind: OrphanKind
    action: str
    payload: Any
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
