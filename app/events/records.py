"""Events as they are written and read."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from app.types import TenantId


class NewEvent(NamedTuple):
    """An event to write. charge_point_id None: it concerns the tenant; data: JSON text of its payload."""

    type: str
    version: int
    tenant_id: int
    charge_point_id: int | None
    occurred_at: datetime
    data: str


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event that has its place in the order of events.

    Attributes:
        position: grows with each event; numbers may be missing.
        charge_point: the identity; None: it concerns the tenant, or the charge point was deleted.
        occurred_at: when the server did it or was told of it. Times of charge points are in the payload.
        recorded_at: when its transaction began.
        data: JSON text of the payload; empty for a batch.
        batch: Readings that were stored together, instead of `data`.
    """

    position: int
    type: str
    version: int
    charge_point: str | None
    occurred_at: datetime
    recorded_at: datetime
    data: str
    batch: "tuple[BatchReadings, ...]" = ()


class BatchReadings(NamedTuple):
    """Readings of one charge point in a batch. sampled_at_ms: since 1970."""

    charge_point: str
    connector_id: int
    transaction_id: int | None
    sampled_at_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The wish of a reader: events of these types and of these charge points. Empty: of all."""

    types: frozenset[str] = field(default_factory=frozenset)
    charge_points: frozenset[str] = field(default_factory=frozenset)

    def narrowed(self, event: StoredEvent) -> StoredEvent | None:
        """Return an event as the reader wants it: of a batch, its charge points only; None: not at all."""
        if self.types and event.type not in self.types:
            return None
        if not self.charge_points or event.charge_point in self.charge_points:
            return event
        batch = tuple(one for one in event.batch if one.charge_point in self.charge_points)
        return replace(event, batch=batch) if batch else None


class EventPage(NamedTuple):
    """Events in their order. position: a reader goes on behind it; has_more: there are events behind it.

    The position may be behind the last event: what a filter keeps out was read, too.
    """

    events: list[StoredEvent]
    position: int
    has_more: bool


class Numbered(NamedTuple):
    """The result of numbering: the newest position of each tenant with new events, and their number.

    is_complete: no committed event is left without a position.
    """

    positions: dict[TenantId, int]
    events: int
    is_complete: bool
