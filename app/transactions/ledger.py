"""The ledger: the group commit of everything that is worth money.

Theory of operation. Records wait in a queue. A writer takes all that waits, writes it in one transaction,
which may be a single statement, and answers after its commit (which PostgreSQL has fsynced by then). Records
that arrive meanwhile are the next batch. Nothing is delayed on purpose, and a record becomes cheaper as the
load grows. The second writer starts when the queue is as long as the batch being written. So one prepares
while PostgreSQL commits the other. It skips charge points that have a record in the first writer's batch: a
stop must not overtake its start, and a repetition not its original.

Every record ends in one of three ways: its answer, CallFailed (this very record cannot be stored), or
StoreUnavailable (not committed within `durable_wait_s`; it may be stored or not, and the charge point's retry
finds out). Nothing is acknowledged without its commit. Plain MeterValues never become objects here:
conversations put them into `meters`, whose batches are written together with the other records.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from app.clock import Clock
from app.database.roles import NO_ROLES, Roles
from app.errors import StoreUnavailable
from app.metrics import LEDGER_WAITING, LIMITS_HIT
from app.ocpp import MeterQueue
from app.settings import Settings
from app.transactions.batch import BatchConnection
from app.transactions.batch_writer import BatchWriter, CommitOutcomes, WaitingRecord, refuse_overdue
from app.transactions.records import (
    DamagedRecord,
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
from app.transactions.store.transaction_ids import TransactionIds

# Reached only when the database is away while thousands reconnect again and again.
_QUEUE_LIMIT = 100_000
# One prepares while the other commits; more only make the batches smaller.
_WRITERS = 2
_EXPIRY_INTERVAL_S = 0.25


class Ledger:
    """The durable writer of one worker. The future of each method is settled after the fsynced commit."""

    def __init__(
        self,
        url: str,
        *,
        settings: Settings,
        clock: Clock,
        events_committed: Callable[[], None] = lambda: None,
        roles: Roles = NO_ROLES,
    ) -> None:
        """Make a ledger.

        Args:
            url: DATABASE_URL.
            settings: Of the server.
            clock: For deadlines.
            events_committed: Called after each commit, which may have written events.
            roles: The roles that PostgreSQL has.
        """
        self._clock = clock
        self._wait_s = settings.durable_wait_s
        self._batch_limit = settings.ledger_batch_limit
        self.meters = MeterQueue(settings.ledger_batch_limit, _QUEUE_LIMIT, self.wake)
        """MeterValues that conversations have put here."""
        self._waiting: deque[WaitingRecord] = deque()
        ids, outcomes = TransactionIds(), CommitOutcomes()
        self._writers = [
            BatchWriter(
                BatchConnection(url, settings, ids, events_committed, roles), settings, clock, outcomes
            )
            for _ in range(_WRITERS)
        ]
        self._awake = asyncio.Event()
        self._closing = False
        self.outcomes = outcomes
        """How the last group commits ended."""
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
                self.outcomes.refused_at = now
            if refuse_overdue(self.meters, self._clock, self._wait_s):
                self.outcomes.refused_at = now
            for writer in self._writers:
                writer.give_up_overdue()
