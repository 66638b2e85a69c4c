"""Commands as the rest of the application sees them: frozen, named as the columns are."""

from dataclasses import dataclass
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


OPEN_COMMAND_STATES: tuple[CommandState, ...] = ("queued", "sent")
"""The states that are not terminal."""


class Holder(NamedTuple):
    """The session that a command is for. charge_point_id: which may be one of the same identity no more."""

    charge_point_id: int
    worker: str
    epoch: int


class SentFacts(NamedTuple):
    """When a CALL went out, and on which session of which worker."""

    worker: str
    epoch: int
    at: datetime


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command to record. holder None: its charge point is not connected. For the rest: CommandRecord."""

    id: UUID
    identity: str
    action: str
    payload: Json
    created_at: datetime
    deadline_at: datetime
    timeout_s: float
    issued_by: str
    holder: Holder | None
    idempotency_key: str | None
    request_digest: bytes
    credential_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command. payload: without secrets; error: {code, description}; effect: what was observed.

    worker and epoch: the process and the session that hold it; credential_hash: of the key it sets, if it
    sets one.
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


@dataclass(frozen=True, slots=True)
class CommandFilter:
    """identity: of the charge point."""

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


class EndedTransaction(NamedTuple):
    """A transaction that has just ended, for the RemoteStopTransaction that asked for its end."""

    tenant_id: int
    charge_point_id: int
    transaction_id: int
