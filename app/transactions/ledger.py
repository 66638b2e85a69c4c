"""The ledger: group commit of everything that is worth money. SQL in `ledger_sql` and its neighbours.

Theory of operation. Records queue in memory; a task takes all that waits, writes it in one transaction, and
wakes everybody after the COMMIT (which PostgreSQL has fsynced by then). What arrives meanwhile is the next
batch: no artificial delay, and the busier it gets the cheaper a record becomes. A second task begins once as
many records wait as are being written, so that we prepare some while PostgreSQL commits others. Of one
charge point it takes nothing while the first one writes something: a stop must not overtake its start, nor a
repetition what it repeats, and after a reconnect both may be here. Every record ends in one of three
ways: its answer, CallFailed (this very record cannot be stored), or StoreUnavailable (not committed in
`durable_wait_s`; it may be there or not, and the charge point's retry meets it). Nothing is acknowledged
without its commit. Plain MeterValues never become objects here: conversations put them into `meters`, whose
batches are written beside the other records; their answers are given to whom they belong.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter, deque
from datetime import timedelta
from functools import partial
from typing import Any, cast

import asyncpg

from app.clock import Clock
from app.database.failures import Failure, failure_of
from app.errors import CallFailed, StoreUnavailable
from app.logs import get_logger
from app.metrics import (
    CALLS_REFUSED,
    LEDGER_BATCH_RECORDS,
    LEDGER_COMMIT_SECONDS,
    LEDGER_FAILURES,
    LEDGER_RECORDS,
    LEDGER_RETRIES,
    LEDGER_WAITING,
    LIMITS_HIT,
)
from app.ocpp import MeterBatch, MeterQueue
from app.settings import Settings
from app.transactions.batch import LedgerAnswer, LedgerRecord, write_batch
from app.transactions.records import (
    InvalidRecord,
    MeterReadings,
    StopRecorded,
    TransactionStart,
    TransactionStarted,
    TransactionStop,
)
from app.transactions.store.meter_values import Connection, readings_of

_LOG = get_logger("ledger")
# Reached only when the database is away while thousands reconnect again and again.
_QUEUE_LIMIT = 100_000
# One prepares while the other commits; more only make the batches smaller.
_LANES = 2
_EXPIRY_INTERVAL_S = 0.25
_CONNECT_TIMEOUT_S = 5.0
_CONFLICT_TRIES = 8
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5

_OVERDUE = "The record was not committed in time."
_NOT_STORABLE = "The record cannot be stored."

_Entry = tuple[LedgerRecord, "asyncio.Future[Any]", float]


class _Lane:
    """One batch under way, and the connection it is written by."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.entries: list[_Entry] = []
        self.meters: MeterBatch | None = None

    def __len__(self) -> int:
        """Records under way."""
        return len(self.entries) + (0 if self.meters is None else len(self.meters))

    def disconnect(self) -> None:
        """End the connection at once, not by `close`, which would wait for a server that does not answer."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.terminate()


class Ledger:
    """The durable writer of one worker. Each method returns after the fsynced commit of its record."""

    def __init__(self, url: str, *, settings: Settings, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._wait_s = settings.durable_wait_s
        self._batch_limit = settings.ledger_batch_limit
        self._window = timedelta(seconds=settings.remote_start_window_s)
        self.meters = MeterQueue(settings.ledger_batch_limit, _QUEUE_LIMIT, self.wake)
        """MeterValues that conversations have put here."""
        self._waiting: deque[_Entry] = deque()
        self._lanes = [_Lane() for _ in range(_LANES)]
        self._awake = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to write in the background."""
        # Kept: to ask for the running loop costs a system call for each record.
        self._loop = asyncio.get_running_loop()
        self._tasks = [
            asyncio.create_task(self._expire(), name="ledger-expiry"),
            *(asyncio.create_task(self._run(lane), name="ledger") for lane in self._lanes),
        ]

    async def close(self) -> None:
        """Take no more records, settle those that wait, and end."""
        self._closing = True
        self.meters.close()
        self._awake.set()
        if self._tasks:
            expiry, *writers = self._tasks
            await asyncio.gather(*writers)
            expiry.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await expiry
        for lane in self._lanes:
            lane.disconnect()

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

    def wake(self) -> None:
        """Write what is in `meters`."""
        self._awake.set()

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

    async def _run(self, lane: "_Lane") -> None:
        while True:
            waiting = len(self._waiting) + len(self.meters)
            # At the end nobody wakes us any more for a batch that is too small yet.
            if waiting and (self._closing or waiting >= sum(map(len, self._lanes))):
                lane.entries = self._take_entries()
                lane.meters = self.meters.take()
            if not len(lane):
                if self._closing:
                    # What is left belongs behind the batch of the other lane, which takes it then.
                    return
                self._awake.clear()
                await self._awake.wait()
                continue
            self.meters.wake_at(sum(map(len, self._lanes)))
            LEDGER_WAITING.set(waiting - len(lane))
            try:
                await self._settle(lane, lane.entries, lane.meters)
            except Exception:
                # A defect of ours costs this batch, which may be stored or not, and never the lane.
                _LOG.exception("batch_not_settled")
                self._give_up_batch(lane)
            lane.entries, lane.meters = [], None

    def _give_up_batch(self, lane: "_Lane") -> None:
        lane.disconnect()
        for entry in lane.entries:
            _give_up(entry)
        if lane.meters is not None:
            self._refuse_overdue(lane.meters, waiting_s=0.0)

    def _take_entries(self) -> list[_Entry]:
        """Take a batch of what waits, but for charge points of which something is being written."""
        busy = {entry[0].charge_point_id for lane in self._lanes for entry in lane.entries}
        taken: list[_Entry] = []
        left: list[_Entry] = []
        while self._waiting and len(taken) < self._batch_limit:
            entry = self._waiting.popleft()
            (left if entry[0].charge_point_id in busy else taken).append(entry)
        self._waiting.extendleft(reversed(left))
        return taken

    async def _settle(self, lane: "_Lane", entries: list[_Entry], meters: MeterBatch | None) -> None:
        """Bring each record to its end: an answer or an error."""
        conflicts = 0
        pause_s = _FIRST_PAUSE_S
        while entries or meters is not None:
            try:
                answers = await self._commit(lane, [record for record, _, _ in entries], meters)
            except Exception as error:
                failure = failure_of(error)
                LEDGER_RETRIES.labels(failure.value).inc()
                if failure is Failure.DATA:
                    singles = [] if meters is None else self._singly(meters)
                    await self._bisect(lane, entries + singles, error)
                    return
                conflicts += failure is Failure.CONFLICT
                if failure is Failure.UNAVAILABLE or conflicts > _CONFLICT_TRIES:
                    _LOG.warning(
                        "ledger_retries", failure=failure.value, error=repr(error), records=len(entries)
                    )
                    lane.disconnect()
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                entries = [entry for entry in entries if self._is_due(entry)]
                meters = self._still_due(meters)
            else:
                _resolve(entries, answers)
                if meters is not None:
                    answered(meters.acknowledge(*self._moment()))
                return

    def _singly(self, meters: MeterBatch) -> list[_Entry]:
        """Give each record of a batch an entry of its own, so that one that fails fails alone."""
        loop = asyncio.get_running_loop()
        entries: list[_Entry] = []
        deadline = self._clock.monotonic() + self._wait_s
        for place, record in enumerate(meters.records()):
            future: asyncio.Future[Any] = loop.create_future()
            future.add_done_callback(partial(self._settle_one, meters, place))
            entries.append((readings_of(record), future, deadline))
        return entries

    def _settle_one(self, meters: MeterBatch, place: int, future: "asyncio.Future[Any]") -> None:
        error = future.exception()
        if error is None:
            answered(meters.settle_one(place, *self._moment()))
        else:
            description = error.description if isinstance(error, CallFailed) else _OVERDUE
            count = answered(meters.settle_one(place, *self._moment(), "InternalError", description))
            CALLS_REFUSED.labels("InternalError").inc(count)

    def _still_due(self, meters: MeterBatch | None) -> MeterBatch | None:
        """Tell those that wait too long; a batch that nobody waits for any more is not written."""
        if meters is None:
            return None
        self._refuse_overdue(meters)
        return meters if meters.waiting else None

    def _refuse_overdue(self, meters: MeterBatch | MeterQueue, waiting_s: float | None = None) -> None:
        """Tell those that wait for so long, `durable_wait_s` by default."""
        now, at_us = self._moment()
        since = now - (self._wait_s if waiting_s is None else waiting_s)
        count = answered(meters.refuse_overdue(since, "InternalError", _OVERDUE, now, at_us))
        LEDGER_FAILURES.labels("overdue").inc(count)
        CALLS_REFUSED.labels("InternalError").inc(count)

    def _moment(self) -> tuple[float, int]:
        return self._clock.monotonic(), self._clock.now_us()

    async def _bisect(self, lane: "_Lane", entries: list[_Entry], error: Exception) -> None:
        """Find the record that cannot be stored, so that it fails alone."""
        if len(entries) == 1:
            record, future, _ = entries[0]
            LEDGER_FAILURES.labels("data").inc()
            _LOG.error("record_not_storable", kind=type(record).__name__, error=repr(error), exc_info=error)
            if not future.done():
                future.set_exception(CallFailed("InternalError", _NOT_STORABLE))
            return
        middle = len(entries) // 2
        await self._settle(lane, entries[:middle], None)
        await self._settle(lane, entries[middle:], None)

    def _is_due(self, entry: _Entry) -> bool:
        """Say whether an entry is still to be written; tell an overdue one so, its charge point will retry.

        A cancelled one is written while there is time: its charge point has only left.
        """
        _, future, deadline = entry
        if deadline <= self._clock.monotonic():
            _give_up(entry)
            return False
        return not future.done() or future.cancelled()

    async def _commit(
        self, lane: "_Lane", records: list[LedgerRecord], meters: MeterBatch | None
    ) -> list[LedgerAnswer]:
        begun = time.perf_counter()
        connection = await self._connected(lane)
        # Longer than this nobody waits. Ending the connection ends whatever hangs, in a lock or in a dead
        # network; cancelling would first ask the server for a ROLLBACK, and hang in that.
        guard = asyncio.get_running_loop().call_later(self._wait_s, connection.terminate)
        try:
            answers = await write_batch(connection, records, self._window, meters)
        finally:
            guard.cancel()
        LEDGER_COMMIT_SECONDS.observe(time.perf_counter() - begun)
        metered = 0 if meters is None else len(meters)
        LEDGER_BATCH_RECORDS.observe(len(records) + metered)
        LEDGER_RECORDS.labels(MeterReadings.__name__).inc(metered)
        for kind, count in Counter(map(type, records)).items():
            LEDGER_RECORDS.labels(kind.__name__).inc(count)
        return answers

    async def _connected(self, lane: "_Lane") -> Connection:
        if lane.connection is None or lane.connection.is_closed():
            lane.connection = await asyncpg.connect(
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
        return lane.connection

    async def _expire(self) -> None:
        """Tell those whose time is up, whatever the writer is waiting for."""
        while True:
            await asyncio.sleep(_EXPIRY_INTERVAL_S)
            now = self._clock.monotonic()
            while self._waiting and self._waiting[0][2] <= now:
                _give_up(self._waiting.popleft())
            self._refuse_overdue(self.meters)
            for lane in self._lanes:
                for entry in lane.entries:
                    if entry[2] <= now:
                        _give_up(entry)
                if lane.meters is not None:
                    self._refuse_overdue(lane.meters)


def _resolve(entries: list[_Entry], answers: list[LedgerAnswer]) -> None:
    for (_, future, _), answer in zip(entries, answers, strict=True):
        if not future.done():
            future.set_result(answer)


def _give_up(entry: _Entry) -> None:
    future = entry[1]
    if not future.done():
        LEDGER_FAILURES.labels("overdue").inc()
        future.set_exception(StoreUnavailable(_OVERDUE))


def answered(outcome: tuple[int, list[Exception]]) -> int:
    """Return how many records of `Ledger.meters` were answered; log what went wrong with it."""
    count, failures = outcome
    for failure in failures:
        _LOG.error("answer_not_written", exc_info=failure)
    return count
