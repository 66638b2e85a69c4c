"""Commands as the rest of the application sees them: frozen, with the names of the columns."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from app.ocpp.v16 import RegistrationStatus
from app.types import Json

CommandState = Literal[
    "waiting",
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


WhenOffline = Literal["fail", "queue"]
"""The end as `offline` of a command whose charge point is not connected, or its wait."""


class SessionOwner(NamedTuple):
    """The session that a command is addressed to, and its worker.

    charge_point_id: of the session; the charge point may have been deleted and made again since its login.
    """

    charge_point_id: int
    worker: str
    epoch: int


class SentFacts(NamedTuple):
    """When a CALL was sent, and on which session of which worker."""

    worker: str
    epoch: int
    at: datetime


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A request for a command. payload_text: JSON, may hold a secret; timeout_s None: the default.

    when_offline None: `fail`, and the command does not wait in the database. not_before: it is not sent
    before. expires_in_s, expires_at: until when it may wait; None: the default of the server. gives_way: it
    is recorded only while no other command of the charge point is under way, so that those that the server
    sends of its own accord stay behind those of operators, and never pile up.
    """

    identity: str
    action: str
    payload_text: str = field(repr=False)
    issued_by: str
    timeout_s: float | None = None
    idempotency_key: str | None = None
    when_offline: WhenOffline | None = None
    not_before: datetime | None = None
    expires_in_s: float | None = None
    expires_at: datetime | None = None
    gives_way: bool = False


@dataclass(frozen=True, slots=True)
class NewWaitingCommand:
    """Commands to record that wait, one for each target. Other fields: `CommandRecord`.

    sealed_payload: what is sent, encrypted, if it has secrets; check_at: when a worker looks at it first.
    """

    action: str
    payload: Json
    created_at: datetime
    deadline_at: datetime
    timeout_s: float
    issued_by: str
    idempotency_key: str | None
    request_digest: bytes
    has_effects: bool
    when_offline: WhenOffline
    not_before: datetime | None
    check_at: datetime
    sealed_payload: bytes | None = field(repr=False)
    bulk_id: UUID | None = None


class WaitingTarget(NamedTuple):
    """The id of a new command, and its charge point."""

    id: UUID
    identity: str


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command to record. owner None: its charge point is not connected. Other fields: `CommandRecord`."""

    id: UUID
    identity: str
    action: str
    payload: Json
    created_at: datetime
    deadline_at: datetime
    timeout_s: float
    issued_by: str
    owner: SessionOwner | None
    idempotency_key: str | None
    request_digest: bytes
    has_effects: bool
    credential_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command. payload: without secrets; error: {code, description}; effect: what was observed.

    worker and epoch: the process and the session that own it; credential_hash: of the key that it sets, if it
    sets one; has_effects: its end may change other rows too; when_offline: it waits, or has waited, in the
    database.
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
    has_effects: bool = False
    when_offline: WhenOffline | None = None
    not_before: datetime | None = None
    bulk_id: UUID | None = None

    @property
    def status(self) -> str | None:
        """The `status` of the charge point's answer, as sent; None: it has none."""
        found = None if self.result is None else self.result.get("status")
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class CommandFilter:
    """The filters of a listing of commands. identity: of the charge point."""

    identity: str | None = None
    action: str | None = None
    state: CommandState | None = None
    bulk_id: UUID | None = None


class LineEntry(NamedTuple):
    """A command that waits for its charge point, or was taken from the line and has not ended.

    ready_at: not sent before.
    """

    id: UUID
    action: str
    state: CommandState
    when_offline: WhenOffline
    ready_at: datetime
    deadline_at: datetime
    bulk_id: UUID | None


class Line(NamedTuple):
    """The commands of a charge point that wait, in the order of sending; those that were taken come first."""

    registration_status: RegistrationStatus
    entries: list[LineEntry]


class LinePlace(NamedTuple):
    """The result of recording a command that waits. command None: it was not recorded."""

    identity: str
    is_line_full: bool
    command: CommandRecord | None


@dataclass(frozen=True, slots=True)
class RemoteStart:
    """A RemoteStartTransaction without effect so far. connector_id: as text; None: any connector.

    created_at: or when it was sent, if that is recorded: it may have waited before.
    """

    id: UUID
    tenant_id: int
    charge_point_id: int
    id_tag: str | None
    connector_id: str | None
    created_at: datetime


class StartedTransaction(NamedTuple):
    """A transaction that has just begun, and the RemoteStartTransaction that led to it."""

    tenant_id: int
    command_id: UUID
    transaction_id: int


class Boot(NamedTuple):
    """A BootNotification, as the effect of a Reset. at: when it arrived."""

    tenant_id: int
    charge_point_id: int
    at: datetime
    effect: Json


class LostCommand(NamedTuple):
    """An open command that its worker does not end: that worker is not alive, or does not have it."""

    id: UUID
    tenant_id: int
    state: CommandState
    worker: str
    timeout_s: float
