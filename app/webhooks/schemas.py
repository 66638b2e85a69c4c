"""Shapes of REST requests and answers about webhooks."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from app.charge_points.schemas import LabelKey, LabelValue
from app.events.schemas import TYPES_ROOT, TypeName
from app.outgoing.rules import URL_LIMIT
from app.web.inputs import Change, CursorText, Identity, Input, Line
from app.web.pagination import encode_cursor
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.webhooks.records import (
    Attempted,
    DeliveryRecord,
    DeliveryState,
    DisabledReason,
    EventWebhookRecord,
    NewEventWebhook,
    WebhookState,
)

_FILTER_LIMIT = 200
_LABELS_LIMIT = 10
_TYPES = f"Only events of these types; empty: of all. `{TYPES_ROOT}` lists them."
_CHARGE_POINTS = "Only events of these charge points; empty: of all, and those of none."
_LABELS = "Only events of charge points that have all of these labels; empty: of all, and those of none."
_URL = "https://billing.example.com/stationmaster"
_ID = "5b2f9c1e-7a63-4b0e-9d55-0f6d2f1c8a77"
_ATTEMPT_DETAIL = "The reason in words."
_ANSWER = "The first 512 bytes of the answer; null: there was none."
_STATUS_CODE = "HTTP status of the answer; null: there was none."
_REASON = "Name of what failed; null: nothing."

WebhookUrl = Annotated[
    Line,
    Field(
        min_length=1,
        max_length=URL_LIMIT,
        description="Begins with https://, without user, password and fragment. It must lead to public "
        "addresses.",
    ),
]
Description = Annotated[Line, Field(max_length=200)]
Types = Annotated[list[TypeName], Field(max_length=_FILTER_LIMIT, description=_TYPES)]
Identities = Annotated[list[Identity], Field(max_length=_FILTER_LIMIT, description=_CHARGE_POINTS)]
LabelFilter = Annotated[dict[LabelKey, LabelValue], Field(max_length=_LABELS_LIMIT, description=_LABELS)]


class Webhook(Resource):
    """A server of yours that events are sent to."""

    id: UUID
    url: str
    description: str | None
    event_types: list[str] = Field(description=_TYPES)
    charge_points: list[str] = Field(description=_CHARGE_POINTS)
    labels: dict[str, str] = Field(description=_LABELS)
    state: WebhookState
    disabled_reason: DisabledReason | None = Field(
        description="operator: you did it; failing: no event was taken for days; gone: the answer was 410."
    )
    failing_since: Instant | None = Field(description="When the first attempt failed since the last success.")
    position: str = Field(description="Cursor: events up to it were handed to this webhook.")
    previous_secret_until: Instant | None = Field(
        description="Up to then messages are also signed with the secret before the newest one."
    )
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "id": _ID,
        "url": _URL,
        "description": "Billing",
        "event_types": ["transaction.started", "transaction.ended"],
        "charge_points": [],
        "labels": {"site": "north"},
        "state": "active",
        "disabled_reason": None,
        "failing_since": None,
        "position": "NDE",
        "previous_secret_until": None,
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class WebhookWithSecret(Webhook):
    """A webhook, with its secret."""

    secret: str = Field(description="Signs all messages (Standard Webhooks). It is shown only once.")

    example: ClassVar[Json] = {
        **Webhook.example,
        "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    }


class Webhooks(Resource):
    """All webhooks of a tenant, the oldest first."""

    items: list[Webhook]

    example: ClassVar[Json] = {"items": [Webhook.example]}


class WebhookPost(Input):
    """A new webhook. It gets what happens from now on; replay it to get what is kept."""

    url: WebhookUrl
    description: Description | None = None
    event_types: Types = Field(default=[])
    charge_points: Identities = Field(default=[])
    labels: LabelFilter = Field(default={})

    example: ClassVar[Json] = {
        "url": _URL,
        "description": "Billing",
        "event_types": ["transaction.started", "transaction.ended"],
    }

    def record(self) -> NewEventWebhook:
        """Return what is stored."""
        return NewEventWebhook(
            self.url,
            self.description,
            tuple(dict.fromkeys(self.event_types)),
            tuple(dict.fromkeys(self.charge_points)),
            self.labels,
        )


class WebhookChange(Change):
    """Changes of a webhook. Filters hold for events that it has not come to yet."""

    url: WebhookUrl = ""
    description: Description | None = None
    event_types: Types = Field(default=[])
    charge_points: Identities = Field(default=[])
    labels: LabelFilter = Field(default={})
    enabled: Annotated[
        bool,
        Field(description="false: nothing is sent. true: it goes on, and what is pending is tried at once."),
    ] = True

    example: ClassVar[Json] = {"enabled": True}


class WebhookReplay(Input):
    """Where to begin again."""

    after: Annotated[
        CursorText | None,
        Field(description="The `id` of an event: all behind it are sent again; null: all that are kept."),
    ] = None

    example: ClassVar[Json] = {"after": "NDE"}


class WebhookTestResult(Resource):
    """The result of a test: what came back, and how long it took."""

    is_delivered: bool
    status_code: int | None = Field(description=_STATUS_CODE)
    reason: str | None = Field(description=_REASON)
    detail: str | None = Field(description=_ATTEMPT_DETAIL)
    duration_ms: int
    answer: str | None = Field(description=_ANSWER)

    example: ClassVar[Json] = {
        "is_delivered": True,
        "status_code": 204,
        "reason": None,
        "detail": None,
        "duration_ms": 48,
        "answer": "",
    }


class WebhookDelivery(Resource):
    """One event for one webhook. What is said of an attempt is said of the last one."""

    event_id: str
    type: str
    charge_points: list[str] = Field(description="Identities of those that the event tells of.")
    state: DeliveryState = Field(description="dead: it was given up after the last attempt.")
    attempts: int
    next_attempt_at: Instant | None = Field(description="null: there is none.")
    last_attempt_at: Instant | None
    status_code: int | None = Field(description=_STATUS_CODE)
    reason: str | None = Field(description=_REASON)
    detail: str | None = Field(description=_ATTEMPT_DETAIL)
    duration_ms: int | None
    answer: str | None = Field(description=_ANSWER)

    example: ClassVar[Json] = {
        "event_id": "NDE",
        "type": "transaction.ended",
        "charge_points": ["RDAM-0123"],
        "state": "pending",
        "attempts": 1,
        "next_attempt_at": EXAMPLE_TIME,
        "last_attempt_at": EXAMPLE_TIME,
        "status_code": 503,
        "reason": "http_status",
        "detail": "The answer has the status 503.",
        "duration_ms": 48,
        "answer": "try later",
    }


def webhook_fields(record: EventWebhookRecord) -> dict[str, Any]:
    """Return the members of a `Webhook`."""
    return {
        "id": record.id,
        "url": record.url,
        "description": record.description,
        "event_types": list(record.event_types),
        "charge_points": list(record.charge_points),
        "labels": dict(record.labels),
        "state": record.state,
        "disabled_reason": record.disabled_reason,
        "failing_since": record.failing_since,
        "position": encode_cursor(record.position),
        "previous_secret_until": record.previous_secret_until,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def delivery_of(record: DeliveryRecord) -> WebhookDelivery:
    """Return a delivery as it is shown."""
    return WebhookDelivery(
        event_id=encode_cursor(record.position),
        type=record.type,
        charge_points=list(record.charge_points),
        state=record.state,
        attempts=record.attempts,
        next_attempt_at=record.next_attempt_at if record.state == "pending" else None,
        last_attempt_at=record.last_attempt_at,
        status_code=record.status_code,
        reason=record.reason,
        detail=record.detail,
        duration_ms=record.duration_ms,
        answer=record.answer,
    )


def test_result(attempted: Attempted) -> WebhookTestResult:
    """Return the result of a test as it is shown."""
    return WebhookTestResult(
        is_delivered=attempted.is_delivered,
        status_code=attempted.status_code,
        reason=attempted.reason,
        detail=attempted.detail,
        duration_ms=attempted.duration_ms,
        answer=attempted.answer,
    )
