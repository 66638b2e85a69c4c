"""Numbers committed events, on every worker: one of them at a time, whichever has just committed some.

States of an event: written (its transaction runs), committed without a position, numbered. Readers see
numbered events only. An event is numbered after its commit (`rules`), and a later numbering gives higher
positions. So a reader that goes on behind a position never skips an event that is committed later.

Nothing is lost if a worker is killed: each sequencer also looks by itself, once a second.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Final

from app.clock import Clock
from app.database.connecting import StationConnection, connect, keep_settings
from app.database.failures import DATABASE_ERRORS
from app.database.partitions import end_of_retention
from app.events.store import drop_events, number_events
from app.logs import get_logger
from app.metrics import EVENTS_NUMBERED
from app.settings import Settings
from app.types import TenantId

_LOG = get_logger(__name__)

_POLL_S: Final = 1.0
_GATHER_S: Final = 0.01
"""After a numbering: many commits of a busy server share the next one."""
_RETRY_S: Final = 1.0
_PURGE_INTERVAL_S: Final = 3600.0
_TIMEOUT_S: Final = 10.0

NumberedListener = Callable[[Mapping[TenantId, int]], None]
"""Told of the newest position of each tenant with new events. It must not wait."""


class Sequencer:
    """Numbers the events of the database, on one worker."""

    def __init__(self, url: str, settings: Settings, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._retention = timedelta(days=settings.event_retention_days)
        self._awake = asyncio.Event()
        self._connection: StationConnection | None = None
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.listeners: list[NumberedListener] = []

    def start(self) -> None:
        """Begin to number in the background."""
        self._task = asyncio.create_task(self._run(), name="event_sequencer")

    async def close(self) -> None:
        """Number what is committed, and disconnect."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            with contextlib.suppress(*DATABASE_ERRORS):
                await self.number()
        self._disconnect()

    def wake(self) -> None:
        """Number soon: this worker has committed events."""
        self._awake.set()

    async def number(self) -> bool:
        """Number what is committed. False: there may be more, or another process numbers now."""
        async with self._lock:
            connection = await self._connected()
            async with keep_settings(connection):
                numbered = await number_events(connection)
        if numbered is None:
            return False
        if numbered.positions:
            for listener in self.listeners:
                listener(numbered.positions)
        EVENTS_NUMBERED.inc(numbered.events)
        return numbered.is_complete

    async def purge(self) -> int:
        """Drop the days that are older than the retention. Return their number."""
        async with self._lock:
            connection = await self._connected()
            return await drop_events(
                connection, await end_of_retention(connection, self._clock.now(), self._retention)
            )

    async def _run(self) -> None:
        purge_at = self._clock.monotonic() + _PURGE_INTERVAL_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._awake.wait()
            self._awake.clear()
            # Readers wait, and nothing is lost: the next numbering has all.
            async with self._survives("events_not_numbered"):
                if not await self.number():
                    self._awake.set()
            if self._clock.monotonic() >= purge_at:
                purge_at += _PURGE_INTERVAL_S
                # Old events stay an hour longer.
                async with self._survives("old_events_not_dropped"):
                    await self.purge()
            await asyncio.sleep(_GATHER_S)

    @contextlib.asynccontextmanager
    async def _survives(self, name: str) -> AsyncIterator[None]:
        """Log a failure by its name, and connect again after a pause."""
        try:
            yield
        except Exception as error:
            _LOG.warning(name, error=f"{type(error).__name__}: {error}")
            self._disconnect()
            await asyncio.sleep(_RETRY_S)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connected(self) -> StationConnection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(
                self._url,
                "events",
                {
                    "jit": "off",
                    # A reader may have seen a position: it must not be given again after a crash.
                    "synchronous_commit": "on",
                    "plan_cache_mode": "force_generic_plan",
                    "enable_seqscan": "off",
                    "enable_hashjoin": "off",
                    "enable_mergejoin": "off",
                    # A process that hangs with the lock must not stop all others.
                    "idle_in_transaction_session_timeout": f"{int(_TIMEOUT_S * 1000)}",
                },
                timeout_s=_TIMEOUT_S,
                command_timeout_s=_TIMEOUT_S,
            )
        return self._connection
