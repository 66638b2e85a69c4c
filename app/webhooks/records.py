"""Webhooks and their deliveries.

A delivery is one event for one webhook:

| state | means | becomes |
|---|---|---|
| pending | it waits for its first or its next attempt | delivered, dead |
| delivered | the receiver took it with a status of 2xx | pending, if it is sent again or replayed |
| dead | it was given up after the last attempt, or its event was deleted | the same |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from app.types import TenantId

WebhookState = Literal["active", "disabled"]
DisabledReason = Literal["operator", "failing", "gone"]
DeliveryState = Literal["pending", "delivered", "dead"]
EVENT_DELETED: Final = "event_deleted"
"""The reason of a delivery that is dead because its event was deleted: there is nothing to send."""


@dataclass(frozen=True, slots=True)
class NewEventWebhook:
    """The part that an operator sets. Empty filters let all events pass; all labels must be there."""

    url: str
    description: str | None
    event_types: tuple[str, ...]
    charge_points: tuple[str, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EventWebhookRecord:
    """A stored webhook.

    Attributes:
        position: events up to this one have a delivery, or the filters keep them out, but those of `behind`.
        behind: charge points with too many pending deliveries, each with the position up to which its events
            have one.
        failing_since: when the first of the attempts failed since the last success; None: it does not fail.
        secret: in the form for storage, as `previous_secret`, which signs too until `previous_secret_until`.
        revision: another one after each change by an operator.
    """

    tenant_id: TenantId
    id: UUID
    url: str = field(repr=False)
    description: str | None
    event_types: tuple[str, ...]
    charge_points: tuple[str, ...]
    labels: Mapping[str, str]
    state: WebhookState
    disabled_reason: DisabledReason | None
    failing_since: datetime | None
    position: int
    behind: Mapping[str, int]
    secret: bytes = field(repr=False)
    previous_secret: bytes | None = field(repr=False)
    previous_secret_until: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending delivery.

    charge_points: those that the event tells of; empty: it tells of none. attempts: made so far.
    """

    position: int
    type: str
    charge_points: frozenset[str]
    attempts: int
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True)
class Attempted:
    """The end of an attempt to deliver.

    Attributes:
        is_delivered: the receiver took it.
        counts: False if nothing was sent, for instance because this server stops.
        status_code: of the answer; None: there was none.
        reason: name of what failed; None: nothing.
        answer: the first characters of the answer.
        retry_after_s: seconds that the receiver asks to be left alone; None: it does not ask.
    """

    at: datetime
    is_delivered: bool
    counts: bool = True
    status_code: int | None = None
    reason: str | None = None
    detail: str | None = None
    duration_ms: int = 0
    answer: str | None = None
    retry_after_s: float | None = None


class Leased(NamedTuple):
    """A webhook that this worker sends, and for how many seconds from the question on."""

    webhook: EventWebhookRecord
    left_s: float


class DeliveryOutcome(NamedTuple):
    """The state of a delivery after an attempt. next_attempt_at: of one that is pending."""

    state: DeliveryState
    attempts: int
    next_attempt_at: datetime


class Finished(NamedTuple):
    """An attempt and its outcome, to be stored."""

    position: int
    attempted: Attempted
    outcome: DeliveryOutcome


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery as the log shows it. The fields from `status_code` on are those of the last attempt."""

    position: int
    type: str
    charge_points: Sequence[str]
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    last_attempt_at: datetime | None
    status_code: int | None
    reason: str | None
    detail: str | None
    duration_ms: int | None
    answer: str | None
