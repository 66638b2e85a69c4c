"""One batch of the ledger: the store finds, the rules decide, the store writes; then the commit.

Records of any kind share one transaction. Each step is one statement for all of them, so that a batch costs
about as many round trips as a single record.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from app.database.failures import DATABASE_ERRORS
from app.database.prepared import Connection
from app.metrics import LEDGER_BATCH_RECORDS, LEDGER_COMMIT_SECONDS, LEDGER_RECORDS
from app.ocpp import MeterBatch
from app.settings import Settings
from app.transactions.batch_starts import write_presumed_ends, write_starts
from app.transactions.batch_stops import readings_of_stop, write_stops
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

PLANNER_SETTINGS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Each statement finds rows by their keys, some for each record: one plan of index seeks fits always."""


class BatchConnection:
    """A connection of the ledger's own. It is opened at the start, and again after it has ended."""

    def __init__(self, url: str, settings: Settings, ids: TransactionIds) -> None:
        self.opened: Connection | None = None
        self._url = url
        self._wait_s = settings.durable_wait_s
        self._ids = ids
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
        LEDGER_COMMIT_SECONDS.observe(time.perf_counter() - begun)
        metered = 0 if queued is None else len(queued)
        LEDGER_BATCH_RECORDS.observe(len(records) + metered)
        LEDGER_RECORDS.labels(MeterReadings.__name__).inc(metered)
        for kind, count in Counter(map(type, records)).items():
            LEDGER_RECORDS.labels(kind.__name__).inc(count)
        return answers

    async def _connected(self) -> Connection:
        if self.opened is None or self.opened.is_closed():
            self.opened = await asyncpg.connect(
                self._url,
                timeout=_CONNECT_TIMEOUT_S,
                max_cached_statement_lifetime=0,
                server_settings={
                    "application_name": "stationmaster ledger",
                    # Whatever the database or the role says: an answer means a flushed commit.
                    "synchronous_commit": "on",
                    "jit": "off",
                    **PLANNER_SETTINGS,
                    "statement_timeout": f"{int(self._wait_s * 1000)}",
                    "idle_in_transaction_session_timeout": f"{int(self._wait_s * 2000)}",
                },
            )
        return self.opened


async def write_batch(
    connection: Connection,
    records: Sequence[LedgerRecord],
    ids: TransactionIds,
    remote_start_window: timedelta,
    queued: MeterBatch | None = None,
) -> list[LedgerAnswer]:
    """Commit a batch, and return the answers in the order of the records; on an error nothing is stored.

    Args:
        connection: Outside of a transaction.
        records: Records of any kind.
        ids: The free transaction ids of this worker.
        remote_start_window: How long before a start its remote start may have been created.
        queued: MeterValues that the core has queued. Their answers are not made here.
    """
    readings = [record for record in records if type(record) is MeterReadings]
    others = [item for item in enumerate(records) if type(item[1]) is not MeterReadings]
    answers: list[LedgerAnswer] = [None] * len(records)
    if queued is not None and not records:
        # One statement needs no transaction around it.
        await meter_values.insert_queued(connection, queued)
        return answers
    of_stops: list[MeterReadings] = []
    needed = Counter(record.tenant_id for record in records if isinstance(record, TransactionStart))
    async with ids.reserved(connection, needed) as own_ids, connection.transaction():
        # Starts first: a stop or a sample in the same batch may belong to one of them.
        if new := {place: item for place, item in others if isinstance(item, TransactionStart)}:
            started = await write_starts(connection, list(new.values()), own_ids, remote_start_window)
            for place, answer in zip(new, started, strict=True):
                answers[place] = answer
        if ended := {place: item for place, item in others if isinstance(item, TransactionStop)}:
            decisions = await write_stops(connection, list(ended.values()))
            for (place, stop), decision in zip(ended.items(), decisions, strict=True):
                answers[place] = decision.answer
                of_stops.extend(readings_of_stop(stop, decision))
        if queued is not None:
            await meter_values.insert_queued(connection, queued)
        if readings or of_stops:
            await meter_values.insert_readings(connection, readings, of_stops)
        if over := [item for _, item in others if isinstance(item, SessionsOver)]:
            await write_presumed_ends(connection, [sessions.over_of(item) for item in over])
        for place, act in others:
            # By hand, so there is hardly ever more than one.
            if isinstance(act, OperatorEnd):
                answers[place] = await end_transaction(connection, act)
            elif isinstance(act, OrphanAttachment):
                answers[place] = await attach_orphan(connection, act)
        if damaged := [item for _, item in others if isinstance(item, DamagedRecord)]:
            await orphans.insert_orphans(connection, [orphans.damaged_orphan(item) for item in damaged])
    return answers
