"""Bulks of commands as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.charge_points.records import ChargePointFilter
from app.commands.records import CommandRequest, CommandState, WhenOffline
from app.types import Json

BulkState = Literal["running", "ended", "cancelled"]


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """A request for a bulk. command: its identity is empty; targets: identities, or what finds them."""

    command: CommandRequest
    targets: tuple[str, ...] | ChargePointFilter
    filter_shown: Json | None = None


@dataclass(frozen=True, slots=True)
class BulkRecord:
    """One bulk. total: charge points when it was issued; check_at: None if it has ended."""

    tenant_id: int
    id: UUID
    action: str
    payload: Json
    filter: Json | None
    total: int
    created_at: datetime
    deadline_at: datetime
    not_before: datetime | None
    when_offline: WhenOffline
    timeout_s: float
    issued_by: str
    cancelled_at: datetime | None
    ended_at: datetime | None
    check_at: datetime | None
    idempotency_key: str | None
    request_digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bulk:
    """A bulk and its progress. counts: its commands by state."""

    record: BulkRecord
    counts: Mapping[CommandState, int]
