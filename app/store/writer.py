"""The ledger: group commit of everything that is worth money. SQL in `ledger_sql` and its neighbours.

Theory of operation. Records queue in memory; one task takes all that waits, writes it in one transaction, and
wakes everybody after the COMMIT (which PostgreSQL has fsynced by then). What arrives meanwhile is the next
batch: no artificial delay, and the busier it gets the cheaper a record becomes. Every record ends in one of
three ways: its answer, CallFailed (this very record cannot be stored), or StoreUnavailable (not committed in
`durable_wait_s`; it may be there or not, and the charge point's retry meets it). Nothing is acknowledged
without its commit.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter, deque
from datetime import timedelta
from typing import Any, cast

import asyncpg

from app.clock import Clock
from app.errors import CallFailed, StoreUnavailable
from app.logs import get_logger
from app.metrics import (
    LEDGER_BATCH_RECORDS,
    LEDGER_COMMIT_SECONDS,
    LEDGER_FAILURES,
    LEDGER_RECORDS,
    LEDGER_RETRIES,
    LEDGER_WAITING,
    LIMITS_HIT,
)
from app.settings import Settings
from app.store.entries import (
    InvalidRecord,
    MeterReadings,
    StopRecorded,
    TransactionStart,
    TransactionStarted,
    TransactionStop,
)
from app.store.failures import Failure, failure_of
from app.store.ledger_batch import LedgerAnswer, LedgerRecord, write_batch
from app.store.ledger_meters import Connection

_LOG = get_logger("ledger")
# Reached only when the database is away while thousands reconnect again and again.
_QUEUE_LIMIT = 100_000
_EXPIRY_INTERVAL_S = 0.25
_CONNECT_TIMEOUT_S = 5.0
_CONFLICT_TRIES = 8
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5

_Entry = tuple[LedgerRecord, "asyncio.Future[Any]", float]


class Ledger:
    """The durable writer of one worker. Each method returns after the fsynced commit of its record."""

    def __init__(self, url: str, *, settings: Settings, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._wait_s = settings.durable_wait_s
        self._batch_limit = settings.ledger_batch_limit
        self._window = timedelta(seconds=settings.remote_start_window_s)
        self._waiting: deque[_Entry] = deque()
        self._in_flight: list[_Entry] = []
        self._awake = asyncio.Event()
        self._closing = False
        self._connection: Connection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to write in the background."""
        # Kept: to ask for the running loop costs a system call for each record.
        self._loop = asyncio.get_running_loop()
        self._tasks = [
            asyncio.create_task(self._run(), name="ledger"),
            asyncio.create_task(self._expire(), name="ledger-expiry"),
        ]

    async def close(self) -> None:
        """Take no more records, settle those that wait, and end."""
        self._closing = True
        self._awake.set()
        if self._tasks:
            writer, expiry = self._tasks
            await writer
            expiry.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await expiry
        await self._disconnect()

    async def start_transaction(self, start: TransactionStart) -> TransactionStarted:
        """Record a start, authorize its tag, allocate the transactionId (OCPP 1.6 4.8).

        Raises:
            StoreUnavailable: not committed in time.
            CallFailed: InternalError, this record cannot be stored.
        """
        return cast(TransactionStarted, await self._submit(start))

    async def stop_transaction(self, stop: TransactionStop) -> StopRecorded:
        """Record a stop and its transactionData, whatever transaction it names (OCPP 1.6 4.10).

        Raises:
            StoreUnavailable: not committed in time.
            CallFailed: InternalError, this record cannot be stored.
        """
        return cast(StopRecorded, await self._submit(stop))

    async def meter_values(self, readings: MeterReadings) -> None:
        """Record meter values; what is there already stays as it is (OCPP 1.6 4.7).

        Raises:
            StoreUnavailable: not committed in time.
            CallFailed: InternalError, this record cannot be stored.
        """
        await self._submit(readings)

    async def keep_invalid(self, record: InvalidRecord) -> None:
        """Keep the text of a billing message that is refused for its structure.

        Raises:
            StoreUnavailable: not committed in time.
            CallFailed: InternalError, this record cannot be stored.
        """
        await self._submit(record)

    def _submit(self, record: LedgerRecord) -> "asyncio.Future[Any]":
        if self._closing or self._loop is None:
            raise StoreUnavailable("The server is stopping.")
        if len(self._waiting) >= _QUEUE_LIMIT:
            LIMITS_HIT.labels("ledger_queue").inc()
            raise StoreUnavailable("Too many records wait for the database.")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append((record, future, self._clock.monotonic() + self._wait_s))
        self._awake.set()
        return future

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._awake.clear()
                await self._awake.wait()
                continue
            count = min(len(self._waiting), self._batch_limit)
            self._in_flight = [self._waiting.popleft() for _ in range(count)]
            LEDGER_WAITING.set(len(self._waiting))
            await self._settle(self._in_flight)
            self._in_flight = []

    async def _settle(self, entries: list[_Entry]) -> None:
        """Bring each entry to its end: an answer or an error."""
        conflicts = 0
        pause_s = _FIRST_PAUSE_S
        while entries:
            try:
                answers = await self._commit([record for record, _, _ in entries])
            except Exception as error:
                failure = failure_of(error)
                LEDGER_RETRIES.labels(failure.value).inc()
                if failure is Failure.DATA:
                    await self._bisect(entries, error)
                    return
                conflicts += failure is Failure.CONFLICT
                if failure is Failure.UNAVAILABLE or conflicts > _CONFLICT_TRIES:
                    _LOG.warning(
                        "ledger_retries", failure=failure.value, error=repr(error), records=len(entries)
                    )
                    await self._disconnect()
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                entries = [entry for entry in entries if self._is_due(entry)]
            else:
                _resolve(entries, answers)
                return

    async def _bisect(self, entries: list[_Entry], error: Exception) -> None:
        """Find the record that cannot be stored, so that it fails alone."""
        if len(entries) == 1:
            record, future, _ = entries[0]
            LEDGER_FAILURES.labels("data").inc()
            _LOG.error("record_not_storable", kind=type(record).__name__, error=repr(error), exc_info=error)
            if not future.done():
                future.set_exception(CallFailed("InternalError", "The record cannot be stored."))
            return
        middle = len(entries) // 2
        await self._settle(entries[:middle])
        await self._settle(entries[middle:])

    def _is_due(self, entry: _Entry) -> bool:
        """Say whether an entry is still to be written; tell an overdue one so, its charge point will retry.

        A cancelled one is written while there is time: its charge point has only left.
        """
        _, future, deadline = entry
        if deadline <= self._clock.monotonic():
            _give_up(entry)
            return False
        return not future.done() or future.cancelled()

    async def _commit(self, records: list[LedgerRecord]) -> list[LedgerAnswer]:
        begun = time.perf_counter()
        connection = await self._connected()
        # Longer than this nobody waits. Ending the connection ends whatever hangs, in a lock or in a dead
        # network; cancelling would first ask the server for a ROLLBACK, and hang in that.
        guard = asyncio.get_running_loop().call_later(self._wait_s, connection.terminate)
        try:
            answers = await write_batch(connection, records, self._window)
        finally:
            guard.cancel()
        LEDGER_COMMIT_SECONDS.observe(time.perf_counter() - begun)
        LEDGER_BATCH_RECORDS.observe(len(records))
        for kind, count in Counter(map(type, records)).items():
            LEDGER_RECORDS.labels(kind.__name__).inc(count)
        return answers

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._url,
                timeout=_CONNECT_TIMEOUT_S,
                max_cached_statement_lifetime=0,
                server_settings={
                    "application_name": "stationmaster ledger",
                    # Whatever the database or the role says: an answer means a flushed commit.
                    "synchronous_commit": "on",
                    "jit": "off",
                    "statement_timeout": f"{int(self._wait_s * 1000)}",
                    "idle_in_transaction_session_timeout": f"{int(self._wait_s * 2000)}",
                },
            )
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Not `close`, which would wait for a server that does not answer.
            connection.terminate()

    async def _expire(self) -> None:
        """Tell those whose time is up, whatever the writer is waiting for."""
        while True:
            await asyncio.sleep(_EXPIRY_INTERVAL_S)
            now = self._clock.monotonic()
            while self._waiting and self._waiting[0][2] <= now:
                _give_up(self._waiting.popleft())
            for entry in self._in_flight:
                if entry[2] <= now:
                    _give_up(entry)


def _resolve(entries: list[_Entry], answers: list[LedgerAnswer]) -> None:
    for (_, future, _), answer in zip(entries, answers, strict=True):
        if not future.done():
            future.set_result(answer)


def _give_up(entry: _Entry) -> None:
    future = entry[1]
    if not future.done():
        LEDGER_FAILURES.labels("overdue").inc()
        future.set_exception(StoreUnavailable("The record was not committed in time."))
