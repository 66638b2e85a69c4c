"""Writes one batch of the ledger at a time, again and again until each record has its answer or error."""

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from app.clock import Clock
from app.database.failures import Failure, failure_of
from app.errors import CallFailed, StoreUnavailable
from app.logs import get_logger
from app.metrics import CALLS_REFUSED, LEDGER_FAILURES, LEDGER_RETRIES
from app.ocpp import MeterBatch, MeterQueue
from app.settings import Settings
from app.transactions.batch import BatchConnection
from app.transactions.records import LedgerAnswer, LedgerRecord
from app.transactions.store.meter_values import readings_of

_LOG = get_logger("ledger")

_CONFLICT_TRIES: Final = 8
_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 0.5

_OVERDUE: Final = "The record was not committed in time."
_NOT_STORABLE: Final = "The record cannot be stored."


@dataclass(slots=True)
class CommitOutcomes:
    """When group commits of a worker last succeeded and failed, and a record was given up: monotonic seconds.

    None: not since the start. What fails because of a record's own data is not counted.
    """

    committed_at: float | None = None
    failed_at: float | None = None
    refused_at: float | None = None


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
            self.future.set_exception(StoreUnavailable(_OVERDUE))

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

    def __init__(
        self, connection: BatchConnection, settings: Settings, clock: Clock, outcomes: CommitOutcomes
    ) -> None:
        self.connection = connection
        self._outcomes = outcomes
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
                self._outcomes.refused_at = now
        if self.meters is not None and refuse_overdue(self.meters, self._clock, self._wait_s):
            self._outcomes.refused_at = now

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
                self._outcomes.failed_at = self._clock.monotonic()
                if failure is Failure.UNAVAILABLE or conflicts > _CONFLICT_TRIES:
                    _LOG.warning(
                        "ledger_retries", failure=failure.value, error=repr(error), records=len(entries)
                    )
                    self.connection.terminate()
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                now = self._clock.monotonic()
                if any(entry.deadline <= now for entry in entries):
                    self._outcomes.refused_at = now
                entries = [entry for entry in entries if entry.is_wanted(now)]
                meters = self._still_wanted(meters)
            else:
                self._outcomes.committed_at = self._clock.monotonic()
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
            description = error.description if isinstance(error, CallFailed) else _OVERDUE
            count = answered(meters.settle_one(place, *moment, "InternalError", description))
            CALLS_REFUSED.labels("InternalError").inc(count)

    def _still_wanted(self, meters: MeterBatch | None) -> MeterBatch | None:
        """Answer those that have waited too long; a batch for which nothing waits is not written."""
        if meters is None:
            return None
        if refuse_overdue(meters, self._clock, self._wait_s):
            self._outcomes.refused_at = self._clock.monotonic()
        return meters if meters.waiting else None


def refuse_overdue(meters: MeterBatch | MeterQueue, clock: Clock, waiting_s: float) -> int:
    """Answer the MeterValues that have waited for `waiting_s` or longer that they are not stored.

    Return how many there were.
    """
    now = clock.monotonic()
    outcome = meters.refuse_overdue(now - waiting_s, "InternalError", _OVERDUE, now, clock.now_us())
    count = answered(outcome)
    LEDGER_FAILURES.labels("overdue").inc(count)
    CALLS_REFUSED.labels("InternalError").inc(count)
    return count


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
