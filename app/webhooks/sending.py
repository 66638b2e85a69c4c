"""The values of a runner: its collaborators, its deliveries in memory, and when it looks at events."""

from dataclasses import dataclass, field
from datetime import datetime

from app.clock import Clock
from app.database.database import Database
from app.events.reader import EventReader
from app.events.records import StoredEvent
from app.settings import Settings
from app.webhooks.records import Finished, Waiting
from app.webhooks.rules import WIDEST_WINDOW
from app.webhooks.sender import WebhookSender
from app.webhooks.slots import DeliverySlots


@dataclass(frozen=True, slots=True)
class RunnerParts:
    """The collaborators of the runners of one worker. worker: the name of its leases."""

    database: Database
    reader: EventReader
    sender: WebhookSender
    slots: DeliverySlots
    clock: Clock
    settings: Settings
    worker: str


@dataclass(slots=True)
class Look:
    """When the events are looked at. at: not before; until: at the latest; stored_at: of the position."""

    at: float = 0.0
    until: float = 0.0
    stored_at: float = 0.0
    has_more: bool = False


@dataclass(slots=True)
class Sending:
    """The deliveries in memory.

    Attributes:
        waiting: all that are pending, by position; those of each charge point in their order.
        events: some of their events.
        resume_at: the receiver has asked to be left alone up to then; None: it has not.
    """

    waiting: dict[int, Waiting] = field(default_factory=dict)
    events: dict[int, StoredEvent] = field(default_factory=dict)
    under_way: set[int] = field(default_factory=set)
    finished: list[Finished] = field(default_factory=list)
    window: int = WIDEST_WINDOW
    resume_at: datetime | None = None
    unpruned: int = 0
