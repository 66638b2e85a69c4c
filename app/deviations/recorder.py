"""Counts the deviations and the CALLs of one worker, and adds the counts to the database in the background.

Counting never waits. A crash loses what was counted since the last write, an orderly stop nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from app.clock import Clock
from app.connection import Connection
from app.database.database import Database
from app.deviations.records import ChargePointCounts, CountedDeviation, SeenDeviation
from app.deviations.store import add_counts
from app.errors import AppError
from app.logs import get_logger
from app.metrics import DEVIATIONS_SHED
from app.tasks import PeriodicTask

WRITE_INTERVAL_S: Final = 10.0
"""Seconds between two writes of deviations."""
CALLS_INTERVAL_S: Final = 60.0
"""Seconds between two writes of the CALLs of charge points that have shown no deviation since."""
CODES_LIMIT: Final = 20_000
"""Most counts of deviations, one for each charge point and code, that wait. About 10 MB."""

_PORTION: Final = 200
"""Charge points of one statement, and sessions of one look. Other work may run between two."""

_LOG = get_logger(__name__)
_Key = tuple[int, int]


class DeviationRecorder:
    """The counts of one worker that are not written yet."""

    def __init__(
        self, database: Database, clock: Clock, connections: Callable[[], Iterable[Connection]]
    ) -> None:
        """Make a recorder. connections: returns those of the worker, whose CALLs are counted."""
        self._database = database
        self._clock = clock
        self._connections = connections
        self._waiting: dict[_Key, ChargePointCounts] = {}
        self._codes = 0
        self._calls_at = 0.0
        self._task: PeriodicTask | None = None
        self._lock = asyncio.Lock()

    def start(self) -> None:
        """Write in the background from now on."""
        self._calls_at = self._clock.monotonic() + CALLS_INTERVAL_S
        self._task = PeriodicTask(self._step, "deviations")

    async def close(self) -> None:
        """Write everything that waits, and stop."""
        if self._task is not None:
            # Not in the middle of a write: it would be unknown whether that was done.
            async with self._lock:
                await self._task.stop()
        await self.flush()

    def note(self, connection: Connection, seen: Sequence[SeenDeviation]) -> None:
        """Count the deviations of one message. No two of them have the same code."""
        at_us = connection.last_seen_us
        counts = self._counts_of(connection, at_us)
        for one in seen:
            known = counts.deviations.get(one.code)
            if known is not None:
                known.count += 1
                known.last_us, known.last, known.connection_id = at_us, one, connection.connection_id
            elif self._codes < CODES_LIMIT:
                self._codes += 1
                counts.deviations[one.code] = CountedDeviation(1, at_us, at_us, one, connection.connection_id)
            else:
                DEVIATIONS_SHED.labels("full").inc()

    def count_calls(self, connection: Connection) -> None:
        """Take over the CALLs that a connection has received since the last time."""
        conversation = connection.conversation
        if conversation is None:
            return
        received = conversation.calls_received
        if received != connection.calls_counted:
            counts = self._counts_of(connection, connection.last_seen_us)
            counts.calls += received - connection.calls_counted
            connection.calls_counted = received

    async def flush(self, *, deviating_only: bool = False) -> None:
        """Write what waits. If the database is away, it waits for the next time.

        deviating_only: leave out charge points without a deviation since the last write.
        """
        async with self._lock:
            await self._count_all_calls()
            keys = sorted(
                key for key, counts in self._waiting.items() if counts.deviations or not deviating_only
            )
            for start in range(0, len(keys), _PORTION):
                await self._write(keys[start : start + _PORTION])

    async def _count_all_calls(self) -> None:
        for place, connection in enumerate(list(self._connections()), 1):
            self.count_calls(connection)
            if place % _PORTION == 0:
                await asyncio.sleep(0)

    async def _write(self, keys: list[_Key]) -> None:
        taken = [self._waiting.pop(key) for key in keys]
        codes = sum(len(counts.deviations) for counts in taken)
        self._codes -= codes
        try:
            async with self._database.platform() as work:
                await add_counts(work, taken)
        except AppError as error:
            _LOG.warning("deviations_not_written", charge_points=len(taken), detail=error.detail)
            for counts in taken:
                self._put_back(counts)
        except BaseException:
            DEVIATIONS_SHED.labels("not_written").inc(codes)
            raise

    def _put_back(self, counts: ChargePointCounts) -> None:
        """Add counts that could not be written to those that have been counted meanwhile."""
        key = (counts.tenant_id, counts.charge_point_id)
        newer = self._waiting.get(key)
        if newer is None:
            self._codes += len(counts.deviations)
            self._waiting[key] = counts
            return
        newer.calls += counts.calls
        for code, older in counts.deviations.items():
            known = newer.deviations.get(code)
            if known is None:
                self._codes += 1
                newer.deviations[code] = older
            else:
                known.count += older.count
                known.first_us = older.first_us

    def _counts_of(self, connection: Connection, at_us: int) -> ChargePointCounts:
        key = (connection.tenant_id, connection.charge_point_id)
        counts = self._waiting.get(key)
        if counts is None:
            counts = self._waiting[key] = ChargePointCounts(*key, at_us)
        counts.last_us = at_us
        return counts

    async def _step(self) -> float:
        now = self._clock.monotonic()
        is_time_for_all = now >= self._calls_at
        if is_time_for_all:
            self._calls_at = now + CALLS_INTERVAL_S
        await self.flush(deviating_only=not is_time_for_all)
        return WRITE_INTERVAL_S
