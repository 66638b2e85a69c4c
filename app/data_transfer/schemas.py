"""Shapes of REST requests and answers about DataTransfer."""

from typing import Annotated, ClassVar
from uuid import UUID

import orjson
from pydantic import Field

from app.clock import utc_text
from app.data_transfer.records import AnsweredBy, TransferDirection
from app.database.prepared import Row
from app.ocpp.v16 import DataTransferStatus
from app.outgoing.rules import URL_LIMIT
from app.web.inputs import Input, Line
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.rows import Fields

_DATA_LIMIT = 32_768
_URL = "https://fleet.example.com/data-transfer"
_VENDOR = "Vendor that defines the message; upper and lower case are the same."
_MESSAGE = "The message of the vendor; null: all messages that have no subscription of their own."
_STATUS = "The answer; with a `url` what holds if the webhook fails."
_DATA = "Data of that answer; null: none."
_WEBHOOK = "Your server that answers; null: the stored answer is given."
_DEADLINE = "Milliseconds from the question to the whole answer of the webhook."
_ID = "3b0d2f7a-5d6e-4a55-9a43-5b1f2c7d9e10"

VendorId = Annotated[Line, Field(min_length=1, max_length=255, description=_VENDOR)]
MessageId = Annotated[Line, Field(min_length=1, max_length=50)]


class DataTransferSubscription(Resource):
    """A subscription: it says who answers a message of a vendor."""

    id: UUID
    vendor_id: str = Field(description=_VENDOR)
    message_id: str | None = Field(description=_MESSAGE)
    status: DataTransferStatus = Field(description=_STATUS)
    data: str | None = Field(description=_DATA)
    url: str | None = Field(description=_WEBHOOK)
    deadline_ms: int = Field(description=_DEADLINE)
    previous_secret_until: Instant | None = Field(
        description="Up to then requests are also signed with the secret before the newest one."
    )
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "id": _ID,
        "vendor_id": "com.voltwerk",
        "message_id": "FanSpeed",
        "status": "Rejected",
        "data": None,
        "url": _URL,
        "deadline_ms": 5000,
        "previous_secret_until": None,
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class DataTransferSubscriptionWithSecret(DataTransferSubscription):
    """A subscription, with its secret."""

    secret: str = Field(description="Signs all requests (Standard Webhooks). It is shown only once.")

    example: ClassVar[Json] = {
        **DataTransferSubscription.example,
        "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    }


class DataTransferSubscriptions(Resource):
    """All subscriptions of a tenant, by vendor and message."""

    items: list[DataTransferSubscription]

    example: ClassVar[Json] = {"items": [DataTransferSubscription.example]}


class DataTransferSubscriptionPut(Input):
    """A subscription from now on."""

    vendor_id: VendorId
    message_id: Annotated[MessageId | None, Field(description=_MESSAGE)] = None
    status: Annotated[DataTransferStatus, Field(description=_STATUS)] = "Accepted"
    data: Annotated[str | None, Field(max_length=_DATA_LIMIT, description=_DATA)] = None
    url: Annotated[
        Annotated[Line, Field(min_length=1, max_length=URL_LIMIT)] | None,
        Field(
            description=f"{_WEBHOOK} It begins with https://, without user, password and fragment, and leads "
            "to public addresses."
        ),
    ] = None
    deadline_ms: Annotated[int, Field(ge=100, le=20_000, description=_DEADLINE)] = 5000

    example: ClassVar[Json] = {
        "vendor_id": "com.voltwerk",
        "message_id": "FanSpeed",
        "status": "Rejected",
        "url": _URL,
    }


class DataTransferMessage(Resource):
    """A DataTransfer that was exchanged with a charge point."""

    id: int
    charge_point: str = Field(description="Identity of the charge point.")
    at: Instant
    direction: TransferDirection
    vendor_id: str
    message_id: str | None
    data: str | None = Field(
        description="The first 16384 characters, without secrets; null: there is none, or it has more than "
        "262144 characters."
    )
    data_length: int = Field(description="Characters of the whole data.")
    data_json: bool = Field(description="True: `data` is JSON.")
    status: str | None = Field(description="The answer; null: there was none.")
    answer_data: str | None
    answered_by: AnsweredBy = Field(
        description="extension: this server; stored: the answer of a subscription; fallback: that answer, "
        "because the webhook failed; none: no subscription, or no answer."
    )
    reason: str | None = Field(description="Name of what failed; null: nothing.")
    detail: str | None = Field(description="The reason in words.")
    duration_ms: int
    command_id: UUID | None = Field(description="The command that sent it; null: the charge point did.")

    example: ClassVar[Json] = {
        "id": 1,
        "charge_point": "RDAM-0123",
        "at": EXAMPLE_TIME,
        "direction": "from_charge_point",
        "vendor_id": "com.voltwerk",
        "message_id": "FanSpeed",
        "data": '{"rpm": 1450}',
        "data_length": 13,
        "data_json": True,
        "status": "Accepted",
        "answer_data": "ok",
        "answered_by": "webhook",
        "reason": None,
        "detail": None,
        "duration_ms": 48,
        "command_id": None,
    }


def transfer_fields(row: Row) -> Fields:
    """Return the members of a `DataTransferMessage`."""
    copied = (
        "direction", "vendor_id", "message_id", "data", "data_length", "status", "answer_data",
        "answered_by", "reason", "detail", "duration_ms",
    )  # fmt: skip
    shown: Fields = {name: row[name] for name in copied}
    command_id = row["command_id"]
    return {
        "id": row["id"],
        "charge_point": row["identity"],
        "at": utc_text(row["at"]),
        **shown,
        "data_json": _is_json(row["data"]),
        "command_id": None if command_id is None else str(command_id),
    }


def _is_json(text: str | None) -> bool:
    if text is None:
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
