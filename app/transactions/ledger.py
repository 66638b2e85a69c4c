"""The ledger: the group commit of everything that is worth money.

Theory of operation. Records wait in a queue. A writer takes all that waits, writes it in one transaction, and
answers after the COMMIT (which PostgreSQL has fsynced by then). Records that arrive meanwhile are the next
batch. Nothing is delayed on purpose, and a record becomes cheaper as the load grows. The second writer begins
as soon as as many records wait as are being written, so that it prepares some while PostgreSQL commits
others. It takes no record of a charge point of which the first one is writing something: a stop must not
overtake its start, nor a repetition what it repeats, and after a reconnect both may be here.

Every record ends in one of three ways: its answer, CallFailed (this very record cannot be stored), or
StoreUnavailable (not committed within `durable_wait_s`; it may be stored or not, and the charge point's retry
finds out). Nothing is acknowledged without its commit. Plain MeterValues never become objects here:
conversations put them into `meters`, whose batches are written together with the other records.
"""

import asyncio
import contextlib
from collections import deque
from typing import Any

from app.clock import Clock
from app.errors import StoreUnavailable
from app.metrics import LEDGER_WAITING, LIMITS_HIT
from app.ocpp import MeterQueue
from app.settings import Settings
from app.transactions.batch_writer import BatchWriter, Entry, refuse_overdue
from app.transactions.records import (
    InvalidRecord,
    LedgerRecord,
    MeterReadings,
    StopRecorded,
    TransactionStart,
    TransactionStarted,
    TransactionStop,
)

# Reached only when the database is away while thousands reconnect again and again.
_QUEUE_LIMIT = 100_000
# One prepares while the other commits; more only make the batches smaller.
_WRITERS = 2
_EXPIRY_INTERVAL_S = 0.25


class Ledger:
    """The durable writer of one worker. The future of each method is settled after the fsynced commit."""

    def __init__(self, url: str, *, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._wait_s = settings.durable_wait_s
        self._batch_limit = settings.ledger_batch_limit
        self.meters = MeterQueue(settings.ledger_batch_limit, _QUEUE_LIMIT, self.wake)
        """MeterValues that conversations have put here."""
        self._waiting: deque[Entry] = deque()
        self._writers = [BatchWriter(url, settings=settings, clock=clock) for _ in range(_WRITERS)]
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
            writer.disconnect()

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

    def keep_invalid(self, record: InvalidRecord) -> "asyncio.Future[None]":
        """Keep the text of a billing message that is refused for its structure.

        Raises:
            StoreUnavailable: not committed in time.
            CallFailed: InternalError, this record cannot be stored.
        """
        return self._submit(record)

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
        self._waiting.append(Entry(record, future, self._clock.monotonic() + self._wait_s))
        self._awake.set()
        return future

    async def _run(self, writer: BatchWriter) -> None:
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

    def _take_entries(self) -> list[Entry]:
        """Take a batch from the queue, but no record of a charge point of which one is being written."""
        busy = {entry.record.charge_point_id for writer in self._writers for entry in writer.entries}
        taken: list[Entry] = []
        left: list[Entry] = []
        while self._waiting and len(taken) < self._batch_limit:
            entry = self._waiting.popleft()
            (left if entry.record.charge_point_id in busy else taken).append(entry)
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
