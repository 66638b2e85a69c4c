"""Transactions as the rest of the application sees them: frozen, named as the columns are."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.types import Json


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
