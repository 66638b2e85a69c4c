"""Commands as the rest of the application sees them: frozen, with the names of the columns."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from app.types import Json

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
    """A request for a command. payload_text: JSON, may hold a secret; timeout_s None: the default."""

    identity: str
    action: str
    payload_text: str = field(repr=False)
    issued_by: str
    timeout_s: float | None = None
    idempotency_key: str | None = None


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
    sets one; has_effects: its end may change other rows too.
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


@dataclass(frozen=True, slots=True)
class CommandFilter:
    """The filters of a listing of commands. identity: of the charge point."""

    identity: str | None = None
    action: str | None = None
    state: CommandState | None = None


@dataclass(frozen=True, slots=True)
class RemoteStart:
    """A RemoteStartTransaction without effect so far. connector_id: as text; None: any connector."""

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


class LostCommand(NamedTuple):
    """An open command that its worker does not end: that worker is not alive, or does not have it."""

    id: UUID
    tenant_id: int
    state: CommandState
    worker: str
    timeout_s: float


class EndedTransaction(NamedTuple):
    """A transaction that has just ended, for the RemoteStopTransaction that asked for its end."""

    tenant_id: int
    charge_point_id: int
    transaction_id: int
