"""The ledger: the group commit of everything that is worth money.

Theory of operation. Records wait in a queue. A writer takes all that waits, writes it in one transaction, and
answers after the COMMIT (which PostgreSQL has fsynced by then). Records that arrive meanwhile are the next
batch. Nothing is delayed on purpose, and a record becomes cheaper as the load grows. The second writer starts
when the queue is as long as the batch being written. So one prepares while PostgreSQL commits the other. It
skips charge points that have a record in the first writer's batch: a stop must not overtake its start, and a
repetition not its original.

Every record ends in one of three ways: its answer, CallFailed (this very record cannot be stored), or
StoreUnavailable (not committed within `durable_wait_s`; it may be stored or not, and the charge point's retry
finds out). Nothing is acknowledged without its commit. Plain MeterValues never become objects here:
conversations put them into `meters`, whose batches are written together with the other records.
"""

import asyncio
import contextlib
import random
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from app.clock import Clock
from app.database.failures import Failure, failure_of
from app.errors import CallFailed, StoreUnavailable
from app.logs import get_logger
from app.metrics import CALLS_REFUSED, LEDGER_FAILURES, LEDGER_RETRIES, LEDGER_WAITING, LIMITS_HIT
from app.ocpp import MeterBatch, MeterQueue
from app.settings import Settings
from app.transactions.batch import BatchConnection
from app.transactions.records import (
    DamagedRecord,
    LedgerAnswer,
    LedgerRecord,
    MeterReadings,
    OperatorEnd,
    OperatorOutcome,
    OrphanAttachment,
    SessionsOver,
    StopRecorded,
    TransactionStart,
    TransactionStarted,
    TransactionStop,
)
from app.transactions.store.meter_values import readings_of
from app.transactions.store.transaction_ids import TransactionIds

_LOG = get_logger("ledger")

# Reached only when the database is away while thousands reconnect again and again.
_QUEUE_LIMIT = 100_000
# One prepares while the other commits; more only make the batches smaller.
_WRITERS = 2
_EXPIRY_INTERVAL_S = 0.25
_CONFLICT_TRIES = 8
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5

OVERDUE: Final = "The record was not committed in time."
_NOT_STORABLE = "The record cannot be stored."


class Ledger:
    """The durable writer of one worker. The future of each method is settled after the fsynced commit."""

    def __init__(self, url: str, *, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._wait_s = settings.durable_wait_s
        self._batch_limit = settings.ledger_batch_limit
        self.meters = MeterQueue(settings.ledger_batch_limit, _QUEUE_LIMIT, self.wake)
        """MeterValues that conversations have put here."""
        self._waiting: deque[WaitingRecord] = deque()
        ids = TransactionIds()
        self._writers = [BatchWriter(url, ids, settings=settings, clock=clock) for _ in range(_WRITERS)]
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
            *(asyncio.create_task(self._run(writer), name="ledger") for writer in self._writers),
        ]

    async def close(self) -> None:
        """Refuse new records, settle those that wait, and end."""
        self._closing = True
        self.meters.close()
        self._awake.set()
        if self._tasks:
            expiry, *writers = self._tasks
            await asyncio.gather(*writers)
            expiry.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await expiry
        for writer in self._writers:
            writer.connection.terminate()

    def start_transaction(self, start: TransactionStart) -> "asyncio.Future[TransactionStarted]":
        """Record a start, authorize its tag, allocate the transactionId (OCPP 1.6 4.8).

        Raises:
            StoreUnavailable: not committed in time.
            CallFailed: InternalError, this record cannot be stored.
        """
        return self._submit(start)

    def stop_transaction(self, stop: TransactionStop) -> "asyncio.Future[StopRecorded]":
        """Record a stop and its transactionData, whatever transaction it names (OCPP 1.6 4.10).

        Raises:
            StoreUnavailable: not committed in time.
            CallFailed: InternalError, this record cannot be stored.
        """
        return self._submit(stop)

    def meter_values(self, readings: MeterReadings) -> "asyncio.Future[None]":
        """Record meter values; a sample that is stored already stays as it is (OCPP 1.6 4.7).

        Raises:
            StoreUnavailable: not committed in time.
            CallFailed: InternalError, this record cannot be stored.
        """
        return self._submit(readings)

    def keep_damaged(self, record: DamagedRecord) -> "asyncio.Future[None]":
        """Keep the text of a billing message of which something could not be read.

        Raises:
            StoreUnavailable: not committed in time.
            CallFailed: InternalError, this record cannot be stored.
        """
        return self._submit(record)

    def sessions_over(self, record: SessionsOver) -> "asyncio.Future[None]":
        """Mark open transactions as presumed ended: something showed that they are over.

        Raises:
            StoreUnavailable: not committed in time.
            CallFailed: InternalError, this record cannot be stored.
        """
        return self._submit(record)

    def operator_act(self, act: OperatorEnd | OrphanAttachment) -> "asyncio.Future[OperatorOutcome]":
        """Do by hand what no message of the charge point does, and write it into the audit.

        Raises:
            StoreUnavailable: not committed in time.
        """
        return self._submit(act)

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
        self._waiting.append(WaitingRecord(record, future, self._clock.monotonic() + self._wait_s))
        self._awake.set()
        return future

    async def _run(self, writer: "BatchWriter") -> None:
        await writer.connection.open()
        while True:
            waiting = len(self._waiting) + len(self.meters)
            # At the end no event wakes the writers again for a batch that is too small yet.
            if waiting and (self._closing or waiting >= self._being_written()):
                writer.entries = self._take_entries()
                writer.meters = self.meters.take()
            if not len(writer):
                if self._closing:
                    # Records that are left belong behind the batch of the other writer, which takes them.
                    return
                self._awake.clear()
                await self._awake.wait()
                continue
            self.meters.wake_at(self._being_written())
            LEDGER_WAITING.set(waiting - len(writer))
            await writer.write()

    def _being_written(self) -> int:
        return sum(map(len, self._writers))

    def _take_entries(self) -> "list[WaitingRecord]":
        """Take a batch from the queue, but no record of a charge point of which one is being written.

        A batch writes starts before stops. A start behind a stop of its charge point waits for the next one.
        """
        busy = {entry.record.charge_point_id for writer in self._writers for entry in writer.entries}
        ended: set[int] = set()
        taken: list[WaitingRecord] = []
        left: list[WaitingRecord] = []
        while self._waiting and len(taken) < self._batch_limit:
            entry = self._waiting.popleft()
            record = entry.record
            if isinstance(record, TransactionStart) and record.charge_point_id in ended:
                busy.add(record.charge_point_id)
            if record.charge_point_id in busy:
                left.append(entry)
                continue
            if isinstance(record, TransactionStop | SessionsOver):
                ended.add(record.charge_point_id)
            taken.append(entry)
        self._waiting.extendleft(reversed(left))
        return taken

    async def _expire(self) -> None:
        """Answer the records whose time is over, whatever the writers wait for."""
        while True:
            await asyncio.sleep(_EXPIRY_INTERVAL_S)
            now = self._clock.monotonic()
            while self._waiting and self._waiting[0].deadline <= now:
                self._waiting.popleft().give_up()
            refuse_overdue(self.meters, self._clock, self._wait_s)
            for writer in self._writers:
                writer.give_up_overdue()


@dataclass(slots=True)
class WaitingRecord:
    """A record, who waits for its answer, and until when (monotonic seconds)."""

    record: LedgerRecord
    future: "asyncio.Future[Any]"
    deadline: float

    def give_up(self) -> None:
        """Tell the waiting side that its record was not committed in time; the charge point will retry."""
        if not self.future.done():
            LEDGER_FAILURES.labels("overdue").inc()
            self.future.set_exception(StoreUnavailable(OVERDUE))

    def is_wanted(self, now: float) -> bool:
        """Tell whether the record is still to be written; give it up if its time is over.

        A record is written even if its future was cancelled: its charge point has only left.
        """
        if self.deadline <= now:
            self.give_up()
            return False
        return not self.future.done() or self.future.cancelled()


class BatchWriter:
    """Writes one batch at a time."""

    def __init__(self, url: str, ids: TransactionIds, *, settings: Settings, clock: Clock) -> None:
        self.connection = BatchConnection(url, settings, ids)
        self._clock = clock
        self._wait_s = settings.durable_wait_s
        self.entries: list[WaitingRecord] = []
        """The records that are being written."""
        self.meters: MeterBatch | None = None
        """The queued MeterValues that are being written."""

    def __len__(self) -> int:
        """Return how many records are being written."""
        return len(self.entries) + (0 if self.meters is None else len(self.meters))

    async def write(self) -> None:
        """Bring each record of `entries` and `meters` to its end: an answer or an error."""
        try:
            await self._settle(self.entries, self.meters)
        except Exception:
            # A defect of ours costs this batch, which may be stored or not, and never the writer.
            _LOG.exception("batch_not_settled")
            self.connection.terminate()
            for entry in self.entries:
                entry.give_up()
            if self.meters is not None:
                refuse_overdue(self.meters, self._clock, waiting_s=0.0)
        self.entries, self.meters = [], None

    def give_up_overdue(self) -> None:
        """Answer the records whose time is over, whatever the database is doing."""
        now = self._clock.monotonic()
        for entry in self.entries:
            if entry.deadline <= now:
                entry.give_up()
        if self.meters is not None:
            refuse_overdue(self.meters, self._clock, self._wait_s)

    async def _settle(self, entries: list[WaitingRecord], meters: MeterBatch | None) -> None:
        conflicts = 0
        pause_s = _FIRST_PAUSE_S
        while entries or meters is not None:
            try:
                answers = await self.connection.commit([entry.record for entry in entries], meters)
            except Exception as error:
                failure = failure_of(error)
                LEDGER_RETRIES.labels(failure.value).inc()
                if failure is Failure.DATA:
                    singles = [] if meters is None else self._singly(meters)
                    await self._bisect(entries + singles, error)
                    return
                conflicts += failure is Failure.CONFLICT
                if failure is Failure.UNAVAILABLE or conflicts > _CONFLICT_TRIES:
                    _LOG.warning(
                        "ledger_retries", failure=failure.value, error=repr(error), records=len(entries)
                    )
                    self.connection.terminate()
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                now = self._clock.monotonic()
                entries = [entry for entry in entries if entry.is_wanted(now)]
                meters = self._still_wanted(meters)
            else:
                _resolve(entries, answers)
                if meters is not None:
                    answered(meters.acknowledge(self._clock.monotonic(), self._clock.now_us()))
                return

    async def _bisect(self, entries: list[WaitingRecord], error: Exception) -> None:
        """Find the record that cannot be stored, so that it fails alone."""
        if len(entries) == 1:
            [entry] = entries
            LEDGER_FAILURES.labels("data").inc()
            kind = type(entry.record).__name__
            _LOG.error("record_not_storable", kind=kind, error=repr(error), exc_info=error)
            if not entry.future.done():
                entry.future.set_exception(CallFailed("InternalError", _NOT_STORABLE))
            return
        middle = len(entries) // 2
        await self._settle(entries[:middle], None)
        await self._settle(entries[middle:], None)

    def _singly(self, meters: MeterBatch) -> list[WaitingRecord]:
        """Give each record of a batch an entry of its own, so that one that fails fails alone."""
        loop = asyncio.get_running_loop()
        entries: list[WaitingRecord] = []
        deadline = self._clock.monotonic() + self._wait_s
        for place, record in enumerate(meters.records()):
            future: asyncio.Future[Any] = loop.create_future()
            future.add_done_callback(partial(self._settle_one, meters, place))
            entries.append(WaitingRecord(readings_of(record), future, deadline))
        return entries

    def _settle_one(self, meters: MeterBatch, place: int, future: "asyncio.Future[Any]") -> None:
        moment = (self._clock.monotonic(), self._clock.now_us())
        error = future.exception()
        if error is None:
            answered(meters.settle_one(place, *moment))
        else:
            description = error.description if isinstance(error, CallFailed) else OVERDUE
            count = answered(meters.settle_one(place, *moment, "InternalError", description))
            CALLS_REFUSED.labels("InternalError").inc(count)

    def _still_wanted(self, meters: MeterBatch | None) -> MeterBatch | None:
        """Answer those that have waited too long; a batch for which nothing waits is not written."""
        if meters is None:
            return None
        refuse_overdue(meters, self._clock, self._wait_s)
        return meters if meters.waiting else None


def refuse_overdue(meters: MeterBatch | MeterQueue, clock: Clock, waiting_s: float) -> None:
    """Answer the MeterValues that have waited for `waiting_s` or longer that they are not stored."""
    now = clock.monotonic()
    outcome = meters.refuse_overdue(now - waiting_s, "InternalError", OVERDUE, now, clock.now_us())
    count = answered(outcome)
    LEDGER_FAILURES.labels("overdue").inc(count)
    CALLS_REFUSED.labels("InternalError").inc(count)


def answered(outcome: tuple[int, list[Exception]]) -> int:
    """Return how many queued MeterValues were answered; log what went wrong with their answers."""
    count, failures = outcome
    for failure in failures:
        _LOG.error("answer_not_written", exc_info=failure)
    return count


def _resolve(entries: list[WaitingRecord], answers: list[LedgerAnswer]) -> None:
    for entry, answer in zip(entries, answers, strict=True):
        if not entry.future.done():
            entry.future.set_result(answer)
