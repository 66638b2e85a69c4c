"""Values of external authorization. A field has the name of its column."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from app.types import ChargePointId, Json, TenantId

Fallback = Literal["local", "accept", "refuse"]
"""The decision without a valid answer: by what is stored here, Accepted, or Invalid."""
AskedAbout = Literal["always", "unknown_tags"]
"""Which tags the webhook is asked about: all of them, or those that are not stored here."""
AskingAction = Literal["Authorize", "StartTransaction"]
DecidedBy = Literal["webhook", "local", "accept", "refuse"]


class AnswerFault(StrEnum):
    """Why an answer with status 2xx decides nothing. Part of the API and of the metrics."""

    CONTENT_TYPE = "content_type"
    """The answer does not say that it is JSON."""
    NOT_JSON = "not_json"
    INVALID_ANSWER = "invalid_answer"
    """It is JSON, but not an answer."""
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - the name of a reason
    """The signing secret was stored with another pepper, so that nothing was asked."""


class AnswerRefused(Exception):
    """An answer decides nothing. detail: for the tenant."""

    def __init__(self, fault: AnswerFault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook as an operator sets it. deadline_ms: of a question; cache_s: how long an answer holds."""

    url: str
    deadline_ms: int
    fallback: Fallback
    asked_about: AskedAbout
    cache_s: int


@dataclass(frozen=True, slots=True)
class WebhookRecord:
    """The stored webhook of a tenant.

    secret, previous_secret: encrypted; previous_secret_until: up to then the previous one signs, too;
    revision: another one after each change.
    """

    tenant_id: int
    url: str
    deadline_ms: int
    fallback: Fallback
    asked_about: AskedAbout
    cache_s: int
    secret: bytes
    previous_secret: bytes | None
    previous_secret_until: datetime | None
    created_at: datetime
    updated_at: datetime
    revision: int

    @property
    def deadline_s(self) -> float:
        """The deadline of a question in seconds."""
        return self.deadline_ms / 1000


@dataclass(frozen=True, slots=True)
class TagQuestion:
    """May this tag charge? id_tag_key: its folded form; at: the time of the message; is_test: by hand."""

    tenant_id: TenantId
    tenant: str
    charge_point_id: ChargePointId | None
    charge_point: str
    connector_id: int | None
    id_tag: str
    id_tag_key: str
    action: AskingAction
    at: datetime
    is_test: bool = False


class Decision(NamedTuple):
    """The result of a question.

    info: the `idTagInfo` of the webhook or of its fallback, None: what is stored here decides; decided_by:
    what it comes from.
    """

    info: Json | None
    decided_by: DecidedBy


@dataclass(frozen=True, slots=True)
class Attempt:
    """One question that was asked.

    reason: None: it was answered; status: of the answer, or of the fallback, None: what is stored here
    decided.
    """

    tenant_id: TenantId
    at: datetime
    action: AskingAction
    charge_point: str
    connector_id: int | None
    id_tag: str
    reason: str | None
    detail: str | None
    decided_by: DecidedBy
    status: str | None
    duration_ms: int
    is_test: bool


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A stored attempt."""

    id: int
    at: datetime
    action: AskingAction
    charge_point: str
    connector_id: int | None
    id_tag: str
    reason: str | None
    detail: str | None
    decided_by: DecidedBy
    status: str | None
    duration_ms: int
    is_test: bool


@dataclass(frozen=True, slots=True)
class AttemptFilter:
    """Narrows a list of attempts."""

    charge_point: str | None = None
    reason: str | None = None
    decided_by: DecidedBy | None = None
