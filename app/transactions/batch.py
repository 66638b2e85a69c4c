"""One batch of the ledger: the store finds, the rules decide, the store writes; then the commit.

Each step is one statement for all records, so that a batch costs about as many round trips as a single
record. Records of any kind share one transaction. A batch of starts alone, or of stops alone, is first
written without one: a statement finds, another one writes and commits what it still finds so. The rest is
written under locks, as in any other batch.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from typing import Final, TypeVar

import asyncpg

from app.database.connecting import StationConnection, connect, keep_settings
from app.database.failures import DATABASE_ERRORS
from app.database.prepared import Connection
from app.database.roles import Roles
from app.metrics import LEDGER_BATCH_RECORDS, LEDGER_COMMIT_SECONDS, LEDGER_RECORDS
from app.ocpp import MeterBatch
from app.settings import Settings
from app.transactions.batch_starts import Starts, write_presumed_ends
from app.transactions.batch_stops import readings_of_stop, write_stops, write_stops_alone
from app.transactions.operator_acts import attach_orphan, end_transaction
from app.transactions.records import (
    DamagedRecord,
    LedgerAnswer,
    LedgerRecord,
    MeterReadings,
    OperatorEnd,
    OrphanAttachment,
    SessionsOver,
    TransactionStart,
    TransactionStop,
)
from app.transactions.store import meter_values, orphans, sessions
from app.transactions.store.transaction_ids import TransactionIds

_CONNECT_TIMEOUT_S: Final = 5.0
Kind = TypeVar("Kind", bound=LedgerRecord)

PLANNER_SETTINGS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Each statement finds rows by their keys, some for each record: one plan of index seeks fits always."""


class BatchConnection:
    """A connection of the ledger's own. It is opened at the start, and again after it has ended."""

    def __init__(
        self,
        url: str,
        settings: Settings,
        ids: TransactionIds,
        events_committed: Callable[[], None],
        roles: Roles,
    ) -> None:
        self.opened: StationConnection | None = None
        self._url = url
        self._roles = roles
        self._wait_s = settings.durable_wait_s
        self._ids = ids
        self._events_committed = events_committed
        self._window = timedelta(seconds=settings.remote_start_window_s)

    def terminate(self) -> None:
        """End the connection at once, not by `close`, which would wait for a server that does not answer."""
        connection, self.opened = self.opened, None
        if connection is not None:
            connection.terminate()

    async def open(self) -> None:
        """Connect now, while descriptors and connections of the database are free.

        If that fails, the first batch connects.
        """
        with contextlib.suppress(*DATABASE_ERRORS):
            await self._connected()

    async def commit(self, records: Sequence[LedgerRecord], queued: MeterBatch | None) -> list[LedgerAnswer]:
        """Commit a batch as `write_batch` does, up to the time after which nothing waits for it."""
        begun = time.perf_counter()
        connection = await self._connected()
        # Ending the connection ends whatever hangs, in a lock or in a dead network; cancelling would first
        # ask the server for a ROLLBACK, and hang in that.
        guard = asyncio.get_running_loop().call_later(self._wait_s, connection.terminate)
        try:
            answers = await write_batch(connection, records, self._ids, self._window, queued)
        finally:
            guard.cancel()
            # Also after an error: a part may be committed.
            self._events_committed()
        LEDGER_COMMIT_SECONDS.observe(time.perf_counter() - begun)
        metered = 0 if queued is None else len(queued)
        LEDGER_BATCH_RECORDS.observe(len(records) + metered)
        LEDGER_RECORDS.labels(MeterReadings.__name__).inc(metered)
        for kind, count in Counter(map(type, records)).items():
            LEDGER_RECORDS.labels(kind.__name__).inc(count)
        return answers

    async def _connected(self) -> StationConnection:
        if self.opened is None or self.opened.is_closed():
            self.opened = await connect(
                self._url,
                "ledger",
                {
                    # Whatever the database or the role says: an answer means a flushed commit.
                    "synchronous_commit": "on",
                    "jit": "off",
                    **PLANNER_SETTINGS,
                    **self._roles.settings_of_ledger,
                    "statement_timeout": f"{int(self._wait_s * 1000)}",
                    "idle_in_transaction_session_timeout": f"{int(self._wait_s * 2000)}",
                },
                timeout_s=_CONNECT_TIMEOUT_S,
            )
        return self.opened


async def write_batch(
    connection: StationConnection,
    records: Sequence[LedgerRecord],
    ids: TransactionIds,
    remote_start_window: timedelta,
    queued: MeterBatch | None = None,
) -> list[LedgerAnswer]:
    """Commit a batch, and return the answers in the order of the records.

    On an error nothing is stored, or only starts or stops that concern nothing else; then their next try is
    a repetition.

    Args:
        connection: Outside of a transaction.
        records: Records of any kind.
        ids: The free transaction ids of this worker.
        remote_start_window: How long before a start its remote start may have been created.
        queued: MeterValues that the core has queued. Their answers are not made here.
    """
    answers: dict[int, LedgerAnswer] = {}
    left = dict(enumerate(records))
    new = _of_kind(left, TransactionStart)
    needed = Counter(start.tenant_id for start in new.values())
    # The ids are reserved before, by a commit of their own: what is rolled back here gives none back.
    async with ids.reserved(connection, needed) as own_ids, keep_settings(connection):
        starts = Starts(new, own_ids, remote_start_window) if new else None
        if starts is not None:
            await starts.find(connection)
        # Starts alone and stops alone are often written by one statement.
        if starts is not None and len(new) == len(records) and queued is None:
            await starts.write_alone(connection)
            answers |= starts.answers()
        elif len(ended := _of_kind(left, TransactionStop)) == len(records) and records and queued is None:
            answers |= await write_stops_alone(connection, ended)
        left = {place: record for place, record in left.items() if place not in answers}
        if left or queued is not None:
            async with _transaction_for(connection, left, queued):
                answers |= await _write_together(connection, left, starts, queued)
    if any(place not in answers for place in new):
        # Nothing was stored under a number that another start has. The batch is tried again with new ones.
        raise asyncpg.SerializationError("a start has no row")
    return [answers.get(place) for place in range(len(records))]


def _of_kind(records: Mapping[int, LedgerRecord], kind: type[Kind]) -> dict[int, Kind]:
    return {place: record for place, record in records.items() if isinstance(record, kind)}


def _transaction_for(
    connection: Connection, records: Mapping[int, LedgerRecord], queued: MeterBatch | None
) -> AbstractAsyncContextManager[object]:
    """Return the transaction that a batch needs: one statement needs none around it."""
    kinds = {*map(type, records.values()), *(() if queued is None else (MeterBatch,))}
    is_single = kinds in ({MeterBatch}, {MeterReadings}, {DamagedRecord})
    return nullcontext() if is_single else connection.transaction()


async def _write_together(
    connection: Connection,
    records: Mapping[int, LedgerRecord],
    starts: Starts | None,
    queued: MeterBatch | None,
) -> dict[int, LedgerAnswer]:
    """Write records of any kind in the transaction of their batch. starts: those of the batch, found."""
    answers: dict[int, LedgerAnswer] = {}
    of_stops: list[MeterReadings] = []
    # Starts first: a stop or a sample in the same batch may belong to one of them.
    if starts is not None:
        await starts.write(connection)
        answers |= starts.answers()
    if ended := _of_kind(records, TransactionStop):
        decisions = await write_stops(connection, list(ended.values()))
        for (place, stop), decision in zip(ended.items(), decisions, strict=True):
            answers[place] = decision.answer
            of_stops.extend(readings_of_stop(stop, decision))
    if queued is not None:
        await meter_values.insert_queued(connection, queued)
    readings = _of_kind(records, MeterReadings)
    if readings or of_stops:
        await meter_values.insert_readings(connection, readings.values(), of_stops)
    if over := _of_kind(records, SessionsOver):
        await write_presumed_ends(connection, list(map(sessions.over_of, over.values())))
    for place, record in records.items():
        # By hand, so there is hardly ever more than one.
        if isinstance(record, OperatorEnd):
            answers[place] = await end_transaction(connection, record)
        elif isinstance(record, OrphanAttachment):
            answers[place] = await attach_orphan(connection, record)
    if damaged := _of_kind(records, DamagedRecord):
        await orphans.insert_orphans(connection, list(map(orphans.damaged_orphan, damaged.values())))
    return answers
