"""One writer of the ledger: it commits a batch over its own connection, and tries again until it is settled.

A record that cannot be stored fails alone: its batch is halved until the record is found. A batch that meets
a conflict or an absent database is tried again, as long as its answers are awaited.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import asyncpg

from app.clock import Clock
from app.database.failures import Failure, failure_of
from app.database.prepared import Connection
from app.errors import CallFailed, StoreUnavailable
from app.logs import get_logger
from app.metrics import (
    CALLS_REFUSED,
    LEDGER_BATCH_RECORDS,
    LEDGER_COMMIT_SECONDS,
    LEDGER_FAILURES,
    LEDGER_RECORDS,
    LEDGER_RETRIES,
)
from app.ocpp import MeterBatch, MeterQueue
from app.settings import Settings
from app.transactions.batch import write_batch
from app.transactions.records import LedgerAnswer, LedgerRecord, MeterReadings
from app.transactions.store.meter_values import readings_of

_LOG = get_logger("ledger")
_CONNECT_TIMEOUT_S = 5.0
_CONFLICT_TRIES = 8
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5

OVERDUE: Final = "The record was not committed in time."
_NOT_STORABLE = "The record cannot be stored."


@dataclass(slots=True)
class Entry:
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

    def __init__(self, url: str, *, settings: Settings, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._wait_s = settings.durable_wait_s
        self._window = timedelta(seconds=settings.remote_start_window_s)
        self.connection: Connection | None = None
        self.entries: list[Entry] = []
        """The records that are being written."""
        self.meters: MeterBatch | None = None
        """The queued MeterValues that are being written."""

    def __len__(self) -> int:
        """Return how many records are being written."""
        return len(self.entries) + (0 if self.meters is None else len(self.meters))

    def disconnect(self) -> None:
        """End the connection at once, not by `close`, which would wait for a server that does not answer."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.terminate()

    async def write(self) -> None:
        """Bring each record of `entries` and `meters` to its end: an answer or an error."""
        try:
            await self._settle(self.entries, self.meters)
        except Exception:
            # A defect of ours costs this batch, which may be stored or not, and never the writer.
            _LOG.exception("batch_not_settled")
            self.disconnect()
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

    async def _settle(self, entries: list[Entry], meters: MeterBatch | None) -> None:
        conflicts = 0
        pause_s = _FIRST_PAUSE_S
        while entries or meters is not None:
            try:
                answers = await self._commit([entry.record for entry in entries], meters)
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
                    self.disconnect()
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

    async def _bisect(self, entries: list[Entry], error: Exception) -> None:
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

    def _singly(self, meters: MeterBatch) -> list[Entry]:
        """Give each record of a batch an entry of its own, so that one that fails fails alone."""
        loop = asyncio.get_running_loop()
        entries: list[Entry] = []
        deadline = self._clock.monotonic() + self._wait_s
        for place, record in enumerate(meters.records()):
            future: asyncio.Future[Any] = loop.create_future()
            future.add_done_callback(partial(self._settle_one, meters, place))
            entries.append(Entry(readings_of(record), future, deadline))
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

    async def _commit(self, records: list[LedgerRecord], meters: MeterBatch | None) -> list[LedgerAnswer]:
        begun = time.perf_counter()
        connection = await self._connected()
        # After this time nothing waits for the commit. Ending the connection ends whatever hangs, in a lock
        # or in a dead network; cancelling would first ask the server for a ROLLBACK, and hang in that.
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

    async def _connected(self) -> Connection:
        if self.connection is None or self.connection.is_closed():
            self.connection = await asyncpg.connect(
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
        return self.connection


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


def _resolve(entries: list[Entry], answers: list[LedgerAnswer]) -> None:
    for entry, answer in zip(entries, answers, strict=True):
        if not entry.future.done():
            entry.future.set_result(answer)
