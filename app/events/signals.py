"""Wakes the readers of events on all workers: in memory on this one, through Redis on the others.

A signal may be lost, for instance if Redis is away. So readers also look by themselves (`Subscription.wait`).
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from app.live.connect import FAILURES, LiveRedis
from app.metrics import REDIS_FAILURES
from app.tasks import BackgroundTasks, PeriodicTask
from app.types import TenantId

_CHANNEL: Final = "sm:events"
_LISTEN_S: Final = 1.0
_RETRY_S: Final = 0.25
_CLOSE_S: Final = 1.0
POLL_S: Final = 1.0
"""The longest time that a reader waits for a signal before it looks by itself."""

_DECODER: Final = msgspec.msgpack.Decoder(dict[int, int])


class Subscription:
    """Wakes one reader of the events of a tenant."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()
        self.newest = 0
        """The highest position that a signal has told."""

    def tell(self, position: int) -> None:
        """Wake the reader: there are events up to a position."""
        self.newest = max(self.newest, position)
        self._awake.set()

    async def wait(self) -> None:
        """Wait until there may be new events, at most for `POLL_S`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._awake.wait()
        self._awake.clear()


class EventSignals:
    """The signals of one worker. It is a listener of the sequencer."""

    def __init__(self, redis: LiveRedis) -> None:
        self._redis = redis
        self._subscriptions: dict[TenantId, set[Subscription]] = {}
        self._background = BackgroundTasks()
        self._loop: PeriodicTask | None = None
        self._pubsub: Any = None
        self._is_closed = False

    def start(self) -> None:
        """Begin to listen to other workers."""
        self._loop = PeriodicTask(self._listen, "event_signals")

    async def close(self) -> None:
        """Stop to listen and to tell other workers, who look by themselves."""
        # The sequencer goes on until all is committed. Redis is left before that.
        self._is_closed = True
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None
        await self._background.drain_within(_CLOSE_S)
        await self._leave()

    @contextlib.contextmanager
    def subscribe(self, tenant_id: TenantId) -> Iterator[Subscription]:
        """Return what wakes a reader of the tenant's events, as long as the context lasts."""
        subscription = Subscription()
        of_tenant = self._subscriptions.setdefault(tenant_id, set())
        of_tenant.add(subscription)
        try:
            yield subscription
        finally:
            of_tenant.discard(subscription)
            if not of_tenant and self._subscriptions.get(tenant_id) is of_tenant:
                del self._subscriptions[tenant_id]

    def numbered(self, positions: Mapping[TenantId, int]) -> None:
        """Wake the readers of this worker now, and those of the others soon."""
        self._tell(positions)
        if not self._is_closed:
            self._background.spawn(self._publish(dict(positions)), "event_signal")

    def _tell(self, positions: Mapping[Any, int]) -> None:
        for tenant_id, position in positions.items():
            for subscription in self._subscriptions.get(tenant_id, ()):
                subscription.tell(position)

    async def _publish(self, positions: Mapping[Any, int]) -> None:
        try:
            await self._redis.publish(_CHANNEL, msgspec.msgpack.encode(positions))
        except FAILURES:
            REDIS_FAILURES.labels("event_signal").inc()

    async def _listen(self) -> float:
        try:
            if self._pubsub is None:
                self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
                await self._pubsub.subscribe(_CHANNEL)
            message = await self._pubsub.get_message(timeout=_LISTEN_S)
        except FAILURES:
            REDIS_FAILURES.labels("event_listen").inc()
            await self._leave()
            return _RETRY_S
        if message is not None:
            # Other software may use the channel: what is not a signal wakes nothing.
            with contextlib.suppress(msgspec.MsgspecError):
                self._tell(_DECODER.decode(message["data"]))
        return 0.0

    async def _leave(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            with contextlib.suppress(*FAILURES):
                await pubsub.aclose()
