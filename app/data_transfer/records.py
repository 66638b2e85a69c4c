"""Values of DataTransfer. A field has the name of its column."""

from collections.abc import Container, Coroutine
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

from app.connection import Connection
from app.ocpp.v16 import DataTransferStatus

TransferDirection = Literal["from_charge_point", "to_charge_point"]
AnsweredBy = Literal["extension", "stored", "webhook", "fallback", "none", "charge_point"]
"""extension: a part of this server; stored: the answer of a subscription; fallback: that answer, because the
webhook failed; none: there is no subscription; charge_point: it has answered our message."""


class TransferFault(StrEnum):
    """Why an answer of a webhook with status 2xx counts for nothing. Part of the API."""

    NOT_JSON = "not_json"
    INVALID_ANSWER = "invalid_answer"
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - the name of a reason
    DATA_TOO_LONG = "data_too_long"
    """The data of the charge point is too long for a webhook, so that nothing was sent."""


class TransferRefused(Exception):
    """A webhook has answered nothing that counts. detail: for the tenant."""

    def __init__(self, fault: TransferFault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """A subscription as an operator sets it.

    message_id None: all messages of the vendor; status, data: the answer, and with a url what holds if the
    webhook fails; deadline_ms: of the webhook.
    """

    vendor_id: str
    message_id: str | None
    status: DataTransferStatus
    data: str | None
    url: str | None
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class SubscriptionRecord:
    """A stored subscription. vendor_key, message_key: folded; secret, previous_secret: encrypted."""

    tenant_id: int
    id: UUID
    vendor_id: str
    vendor_key: str
    message_id: str | None
    message_key: str
    status: DataTransferStatus
    data: str | None
    url: str | None
    deadline_ms: int
    secret: bytes
    previous_secret: bytes | None
    previous_secret_until: datetime | None
    created_at: datetime
    updated_at: datetime


class TransferAnswer(NamedTuple):
    """The answer to a charge point, and who has decided it. reason, detail: of a failure on the way."""

    status: DataTransferStatus
    data: str | None = None
    answered_by: AnsweredBy = "none"
    reason: str | None = None
    detail: str | None = None


class VendorExtension(Protocol):
    """A part of this server that answers messages of a vendor itself. `main` lists these."""

    @property
    def messages(self) -> dict[str, Container[str]]:
        """The folded ids of the messages that it answers, by the folded id of their vendor."""

    def answer(
        self, connection: Connection, vendor_key: str, message_key: str, data: str | None
    ) -> Coroutine[Any, Any, TransferAnswer]:
        """Answer one message. It takes bounded time, and raises nothing but `AppError`."""


@dataclass(frozen=True, slots=True)
class NewTransfer:
    """A message that was exchanged. data, answer_data: without secrets, and cut; data_length: characters."""

    tenant_id: int
    charge_point_id: int
    at: datetime
    direction: TransferDirection
    vendor_id: str
    message_id: str | None
    data: str | None
    data_length: int
    status: str | None
    answer_data: str | None
    answered_by: AnsweredBy
    reason: str | None
    detail: str | None
    duration_ms: int
    command_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """A stored message. identity: of the charge point."""

    id: int
    identity: str
    at: datetime
    direction: TransferDirection
    vendor_id: str
    message_id: str | None
    data: str | None
    data_length: int
    status: str | None
    answer_data: str | None
    answered_by: AnsweredBy
    reason: str | None
    detail: str | None
    duration_ms: int
    command_id: UUID | None


@dataclass(frozen=True, slots=True)
class TransferFilter:
    """Narrows a list of messages. begin: the first time; end: the first time that is too late."""

    charge_point: str | None = None
    vendor: str | None = None
    message: str | None = None
    direction: TransferDirection | None = None
    begin: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class TransferQuestion:
    """A message that a webhook is asked about. at: when it came."""

    tenant: str
    charge_point: str
    vendor_id: str
    message_id: str | None
    data: Any
    at: datetime
