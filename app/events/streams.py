"""Streams of events: one reader of each tenant on a worker feeds all streams of that tenant.

The feed holds the newest events in memory. A stream that begins earlier reads pages from the database until
it has reached the feed, and then follows it. So a stream costs no query, and holds no connection.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from itertools import takewhile
from typing import Any, Final

from app.errors import StoreUnavailable, TooManyRequests
from app.events.reader import EventReader, require_reached
from app.events.records import EventFilter, StoredEvent
from app.logs import get_logger
from app.metrics import EVENT_STREAMS, LIMITS_HIT
from app.settings import Settings
from app.types import TenantId

_LOG = get_logger(__name__)

_PAGE = 200
_RETRY_S = 1.0


END_STREAMS: Final = "end_event_streams"
"""The key of `EventStreams.end` in the state of the lifespan, for the server to call when it stops."""


class ReaderTooSlow(Exception):
    """The client takes its events more slowly than they come. It may go on behind its last one."""


class FeedBroken(Exception):
    """The worker cannot read the events of the tenant. The client may go on behind its last one."""


class _Feed:
    """The newest events of a tenant. floor: all behind this position are held; position: the last one."""

    def __init__(self, position: int, limit: int) -> None:
        self.floor = self.position = position
        self.streams = 0
        self.checks = 0
        self._task: asyncio.Task[None] | None = None
        self._events: deque[StoredEvent] = deque()
        self._limit = limit
        self._changed = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any longer."""
        return self._task is not None and self._task.done()

    def follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what adds the events."""
        self._task = asyncio.create_task(work, name="event_feed")
        self._task.add_done_callback(self._ended)

    def end(self) -> None:
        """Stop to follow."""
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("event_feed_failed", exc_info=error)
        self.wake()

    def add(self, events: Sequence[StoredEvent], position: int) -> None:
        """Add what comes behind the last event."""
        self._events.extend(events)
        while len(self._events) > self._limit:
            self.floor = self._events.popleft().position
        self.position = position
        self.wake()

    def wake(self) -> None:
        """Wake the streams."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def behind(self, position: int) -> list[StoredEvent]:
        """Return the events behind a position, which is not below the floor."""
        return list(takewhile(lambda event: event.position > position, reversed(self._events)))[::-1]

    async def wait(self, seconds: float) -> None:
        """Wait until there are new events, at most for some seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()


class EventStreams:
    """The streams of one worker."""

    def __init__(self, reader: EventReader, settings: Settings) -> None:
        self._reader = reader
        self._limit = settings.event_streams_limit
        self._buffer = settings.event_buffer
        self.heartbeat_s = settings.event_heartbeat_s
        self._feeds: dict[TenantId, _Feed] = {}
        self.is_ending = False

    def end(self) -> None:
        """End all streams: the server stops. Clients connect again, to another worker, and miss nothing."""
        self.is_ending = True
        for feed in self._feeds.values():
            feed.wake()

    def check(self, tenant_id: TenantId) -> None:
        """Let the streams of a tenant send a heartbeat now, and so check their keys."""
        feed = self._feeds.get(tenant_id)
        if feed is not None:
            feed.checks += 1
            feed.wake()

    async def open(self, tenant_id: TenantId, after: int | None, filters: EventFilter) -> "EventStream":
        """Open a stream. The caller closes it.

        Args:
            tenant_id: Whose events.
            after: The position behind which it begins; None: it tells what happens from now on.
            filters: The events that it tells.

        Raises:
            TooManyRequests: the tenant has as many streams on this worker as it may have.
            EventsExpired: events behind the position were deleted because of their age.
            InvalidInput: no event has had the position yet.
            StoreUnavailable: the database is away.
        """
        if after is not None:
            await self._reader.check(tenant_id, after)
        newest = await self._reader.newest(tenant_id)
        require_reached(after or 0, newest)
        feed = self._feeds.get(tenant_id)
        if feed is None or feed.is_over:
            feed = self._feeds[tenant_id] = _Feed(newest, self._buffer)
            feed.follow(self._follow(tenant_id, feed))
        if feed.streams >= self._limit:
            LIMITS_HIT.labels("event_streams").inc()
            raise TooManyRequests(
                f"{self._limit} streams of events are open already: close one, or share one."
            )
        feed.streams += 1
        EVENT_STREAMS.inc()
        begin = newest if after is None else after
        return EventStream(self, self._reader, feed, tenant_id, begin, filters)

    def closed(self, tenant_id: TenantId, feed: _Feed) -> None:
        """Forget a stream; the last one of a tenant ends its feed."""
        EVENT_STREAMS.dec()
        feed.streams -= 1
        if feed.streams == 0:
            # A feed that has failed may have a successor.
            if self._feeds.get(tenant_id) is feed:
                del self._feeds[tenant_id]
            feed.end()

    async def _follow(self, tenant_id: TenantId, feed: _Feed) -> None:
        with self._reader.subscribe(tenant_id) as subscription:
            while True:
                try:
                    page = await self._reader.read(tenant_id, feed.position, _PAGE)
                except StoreUnavailable:
                    await asyncio.sleep(_RETRY_S)
                    continue
                if page.position > feed.position:
                    feed.add(page.events, page.position)
                if not page.has_more:
                    await subscription.wait()


class EventStream:
    """The events that one client follows."""

    def __init__(
        self,
        streams: EventStreams,
        reader: EventReader,
        feed: _Feed,
        tenant_id: TenantId,
        position: int,
        filters: EventFilter,
    ) -> None:
        self._streams = streams
        self._reader = reader
        self._feed = feed
        self._tenant_id = tenant_id
        self._position = position
        self._filters = filters
        self._is_open = True
        self._heartbeat_at = asyncio.get_running_loop().time() + streams.heartbeat_s
        self._checks = feed.checks

    @property
    def position(self) -> int:
        """The position up to which everything was told, or kept out by the filter."""
        return self._position

    def close(self) -> None:
        """Let go of the feed."""
        if self._is_open:
            self._is_open = False
            self._streams.closed(self._tenant_id, self._feed)

    def takes_heartbeat(self) -> bool:
        """Tell whether a heartbeat is to be sent now: one for each `heartbeat_s`, events or not."""
        now = asyncio.get_running_loop().time()
        if now < self._heartbeat_at and self._checks == self._feed.checks:
            return False
        self._checks = self._feed.checks
        self._heartbeat_at = now + self._streams.heartbeat_s
        return True

    async def events(self) -> AsyncIterator[list[StoredEvent]]:
        """Yield events as they come; an empty list if nothing has come until the next heartbeat.

        Raises:
            ReaderTooSlow: it had reached the feed, and fell behind what that holds.
            FeedBroken: nothing comes any longer, because of a defect of this server.
            EventsExpired: events behind its position were deleted because of their age.
        """
        async for page in self._earlier():
            yield page
        while not self._streams.is_ending:
            if self._position >= self._feed.position and self._checks == self._feed.checks:
                now = asyncio.get_running_loop().time()
                await self._feed.wait(max(0.0, self._heartbeat_at - now))
            if self._position < self._feed.floor:
                LIMITS_HIT.labels("event_buffer").inc()
                raise ReaderTooSlow
            found = self._feed.behind(self._position)
            if not found and self._feed.is_over:
                raise FeedBroken
            if found:
                self._position = found[-1].position
            yield list(self._wanted(found))

    async def _earlier(self) -> AsyncIterator[list[StoredEvent]]:
        """Yield what the feed does not hold."""
        while self._position < self._feed.floor and not self._streams.is_ending:
            floor = self._feed.floor
            page = await self._reader.read(self._tenant_id, self._position, _PAGE, self._filters)
            # A page that is not full has all that there was when the floor was read.
            self._position = page.position if page.has_more else max(page.position, floor)
            if page.events:
                yield page.events

    def _wanted(self, events: Sequence[StoredEvent]) -> Iterator[StoredEvent]:
        for event in events:
            if (narrowed := self._filters.narrowed(event)) is not None:
                yield narrowed
