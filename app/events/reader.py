"""Reads the events of a tenant in their order, for all that deliver them. It holds no connection."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from app.database.prepared import Prepared, Row
from app.errors import EventsExpired, FieldViolation, InvalidInput
from app.events.packed import PackedReadings, unpacked
from app.events.records import BatchReadings, EventFilter, EventPage, StoredEvent
from app.events.signals import EventSignals, Subscription
from app.events.store import EventReads
from app.logs import get_logger
from app.types import TenantId

_LOG = get_logger(__name__)

NO_FILTER = EventFilter()


def require_reached(after: int, newest: int, name: str = "after") -> None:
    """Refuse a position that no event has had yet: a reader would miss what comes up to it.

    The database may be an older one again, after a backup was restored. name: of the parameter.

    Raises:
        InvalidInput: `after` is behind the newest event.
    """
    if after > newest:
        detail = "is behind the newest event. Read what you follow from the API again, then begin without it"
        raise InvalidInput([FieldViolation(name, "invalid_cursor", detail)])


class EventReader:
    """The events of all tenants, read by one worker."""

    def __init__(self, reads: Prepared, signals: EventSignals) -> None:
        self._reads = reads
        self._signals = signals

    def subscribe(self, tenant_id: TenantId) -> AbstractContextManager[Subscription]:
        """Return what wakes a reader when the tenant has new events. Subscribe first, then read."""
        return self._signals.subscribe(tenant_id)

    async def read(
        self, tenant_id: TenantId, after: int, limit: int, filters: EventFilter = NO_FILTER
    ) -> EventPage:
        """Return the events behind a position, the oldest first. Go on behind the position of the page.

        Args:
            tenant_id: Whose events.
            after: The position behind which the page begins; 0 for all that are kept.
            limit: The most events that are read.
            filters: Only those. A page may have fewer than `limit` events although others follow.

        Raises:
            EventsExpired: Events behind the position were deleted because of their age.
            StoreUnavailable: The database is away.
        """
        reads = EventReads(self._reads, tenant_id)
        # Asked before the events: what a filter keeps out is passed up to here.
        examined = 0 if filters == NO_FILTER else await reads.newest()
        rows = await reads.page(after, limit, filters)
        # Asked after the events: what was dropped meanwhile must not look like a gap.
        if after and after < await reads.floor():
            raise EventsExpired
        found = await _events_of(reads, rows)
        events = [event for one in found if (event := filters.narrowed(one)) is not None]
        has_more, last = len(rows) == limit, rows[-1]["position"] if rows else after
        return EventPage(events, last if has_more else max(last, examined), has_more)

    async def check(self, tenant_id: TenantId, after: int) -> None:
        """Check that a reader may go on behind a position.

        Raises:
            EventsExpired: Events behind it were deleted because of their age.
        """
        if after and after < await EventReads(self._reads, tenant_id).floor():
            raise EventsExpired

    async def newest(self, tenant_id: TenantId) -> int:
        """Return the position of the newest event: behind it comes what happens from now on."""
        return await EventReads(self._reads, tenant_id).newest()


async def _events_of(reads: EventReads, rows: Sequence[Row]) -> list[StoredEvent]:
    """Return the events of rows. A charge point that was deleted has no readings any longer.

    A batch that cannot be read is passed over, and named in the log: it must not hold all behind it.
    """
    batches: dict[int, list[PackedReadings]] = {}
    unreadable: set[int] = set()
    for row in rows:
        if row["packed"] is not None:
            try:
                batches[row["position"]] = unpacked(row["packed"])
            except ValueError:
                unreadable.add(row["position"])
                _LOG.error("event_not_readable", type=row["type"], position=row["position"])
    ids = {one.charge_point_id for batch in batches.values() for one in batch}
    identities = await reads.identities(sorted(ids)) if ids else {}
    return [
        StoredEvent(
            row["position"],
            row["type"],
            row["version"],
            row["charge_point"],
            row["occurred_at"],
            row["recorded_at"],
            row["data"] or "",
            tuple(
                BatchReadings(identities[one.charge_point_id], *one[1:])
                for one in batches.get(row["position"], ())
                if one.charge_point_id in identities
            ),
        )
        for row in rows
        if row["position"] not in unreadable
    ]
