"""One batch of the ledger: the store finds, the rules decide, the store writes; then the commit.

Records of any kind share one transaction. Each step is one statement for all of them, so that a batch costs
about as many round trips as a single record.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg

from app.commands.records import StartedTransaction
from app.commands.rules import AWAITS_EFFECT
from app.commands.store import effects
from app.database.failures import DATABASE_ERRORS
from app.database.prepared import Connection
from app.id_tags.records import IdTagKey, IdTagRecord
from app.id_tags.store import (
    find_group_limits,
    find_id_tags,
    find_unknown_tag_policies,
    lock_groups,
    lock_id_tags,
)
from app.metrics import LEDGER_BATCH_RECORDS, LEDGER_COMMIT_SECONDS, LEDGER_RECORDS
from app.ocpp import MeterBatch
from app.settings import Settings
from app.transactions.operator_acts import attach_orphan, end_transaction
from app.transactions.records import (
    Closing,
    DamagedRecord,
    JudgedStart,
    LedgerAnswer,
    LedgerRecord,
    MeterReadings,
    OperatorEnd,
    OrphanAttachment,
    SessionsOver,
    StartKey,
    StoppableTransaction,
    TransactionKey,
    TransactionStart,
    TransactionStarted,
    TransactionStop,
)
from app.transactions.rules import starts as start_rules
from app.transactions.rules import stops as stop_rules
from app.transactions.store import meter_values, orphans, sessions, starts, stops
from app.transactions.store.transaction_ids import ReservedIds, TransactionIds
from app.types import ChargePointKey

_CONNECT_TIMEOUT_S: Final = 5.0


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
                    # Each statement finds rows by their keys, some for each record. So one plan fits always,
                    # and no plan reads a table.
                    "plan_cache_mode": "force_generic_plan",
                    "enable_seqscan": "off",
                    "enable_hashjoin": "off",
                    "enable_mergejoin": "off",
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
            started = await _write_starts(connection, list(new.values()), own_ids, remote_start_window)
            for place, answer in zip(new, started, strict=True):
                answers[place] = answer
        if ended := {place: item for place, item in others if isinstance(item, TransactionStop)}:
            decisions = await _write_stops(connection, list(ended.values()))
            for (place, stop), decision in zip(ended.items(), decisions, strict=True):
                answers[place] = decision.answer
                of_stops.extend(_readings_of_stop(stop, decision))
        if queued is not None:
            await meter_values.insert_queued(connection, queued)
        if readings or of_stops:
            await meter_values.insert_readings(connection, readings, of_stops)
        if over := [item for _, item in others if isinstance(item, SessionsOver)]:
            await _presume_ended(connection, [sessions.over_of(item) for item in over])
        for place, act in others:
            # By hand, so there is hardly ever more than one.
            if isinstance(act, OperatorEnd):
                answers[place] = await end_transaction(connection, act)
            elif isinstance(act, OrphanAttachment):
                answers[place] = await attach_orphan(connection, act)
        if damaged := [item for _, item in others if isinstance(item, DamagedRecord)]:
            await orphans.insert_orphans(connection, [orphans.damaged_orphan(item) for item in damaged])
    return answers


async def _write_starts(
    connection: Connection, reported: Sequence[TransactionStart], ids: ReservedIds, window: timedelta
) -> list[TransactionStarted]:
    """Record starts, and return their answers in the same order."""
    keys = [start_rules.start_key(start) for start in reported]
    remote_since = min(start.received_at for start in reported) - window
    found = await starts.find_starts(connection, dict.fromkeys(keys), remote_since)
    answers: dict[StartKey, TransactionStarted] = {}
    new: dict[StartKey, TransactionStart] = {}
    # The first of several equal starts in one batch makes the row; the others are repetitions of it.
    for key, start in zip(keys, reported, strict=True):
        known = found.stored.get(key)
        if known is not None and start_rules.is_repetition(start, known):
            answers[key] = TransactionStarted(known.transaction_id, known.id_tag_info, True)
        elif key not in answers:
            new.setdefault(key, start)
    if new:
        answers |= await _insert_starts(connection, new, found, ids, window)
        # Another ledger was faster with these: its row has the answer.
        lost = [key for key in new if key not in answers]
        if lost:
            found = await starts.find_starts(connection, lost, remote_since)
            answers |= {
                key: TransactionStarted(known.transaction_id, known.id_tag_info, True)
                for key, known in found.stored.items()
            }
    seen: set[StartKey] = set()
    ordered = []
    for key in keys:
        answer = answers[key]
        ordered.append(replace(answer, repeated=True) if key in seen else answer)
        seen.add(key)
    return ordered


async def _insert_starts(
    connection: Connection,
    new: Mapping[StartKey, TransactionStart],
    found: starts.FoundStarts,
    ids: ReservedIds,
    window: timedelta,
) -> dict[StartKey, TransactionStarted]:
    """Judge new starts, insert them, and join what led to them and what came before them."""
    numbers = {key: found.stored[key].number + 1 for key in new if key in found.stored}
    judged = start_rules.judge_starts(new, numbers, await _tag_facts(connection, new))
    commands = await _remote_starts_of(connection, judged, found.remote, window)
    free = {key: ids.take(key.tenant_id) for key in new}
    inserted = await starts.insert_starts(connection, judged, commands, free)
    led_to = [
        StartedTransaction(key.tenant_id, commands[key], row.transaction_id)
        for key, row in inserted.items()
        if key in commands
    ]
    if led_to:
        await effects.set_started(connection, led_to)
    await _join_past(connection, new, inserted)
    infos = {item.key: item.id_tag_info for item in judged}
    return {key: TransactionStarted(row.transaction_id, infos[key], False) for key, row in inserted.items()}


async def _remote_starts_of(
    connection: Connection,
    judged: Sequence[JudgedStart],
    remote: Collection[ChargePointKey],
    window: timedelta,
) -> dict[StartKey, UUID]:
    """Return the remote starts that led to new starts. remote: the charge points that have some."""
    asked = [item.start for item in judged if item.start.charge_point in remote]
    if not asked:
        return {}
    since = min(start.received_at for start in asked) - window
    charge_points = {start.charge_point for start in asked}
    commands = await effects.find_remote_starts(connection, charge_points, since, AWAITS_EFFECT)
    return start_rules.match_remote_starts(judged, commands, window)


async def _join_past(
    connection: Connection,
    new: Mapping[StartKey, TransactionStart],
    inserted: Mapping[StartKey, starts.InsertedStart],
) -> None:
    """Join new transactions with what came before them: sessions that they end, samples, waiting stops."""
    started = {TransactionKey(key.tenant_id, row.transaction_id): new[key] for key, row in inserted.items()}
    # Starts of one charge point in one batch do not see each other.
    count = Counter(start.charge_point for start in started.values())
    ending = [
        sessions.over_by_start(TransactionKey(key.tenant_id, row.transaction_id), new[key])
        for key, row in inserted.items()
        if row.has_open or count[new[key].charge_point] > 1
    ]
    if ending:
        await _presume_ended(connection, ending)
    if late := {key: start for key, start in started.items() if start_rules.came_late(start)}:
        await meter_values.claim_earlier(connection, late)
    if any(row.has_waiting_stops for row in inserted.values()):
        await _join_waiting_stops(connection, started)


async def _tag_facts(
    connection: Connection, new: Mapping[StartKey, TransactionStart]
) -> start_rules.TagFacts:
    """Find what new starts are judged by. What limits them is locked until the commit."""
    tags = await find_id_tags(connection, sorted({key.tag for key in new}))
    named = {start_rules.external_group(start) for start in new.values()} - {None}
    group_limits = await find_group_limits(connection, [group for group in named if group is not None])
    limits = {
        key: start_rules.start_limits(start, tags.get(key.tag), group_limits) for key, start in new.items()
    }
    groups = sorted({one.group for one in limits.values() if one.group and one.of_group is not None})
    limited = sorted({key.tag for key, one in limits.items() if one.of_tag is not None})
    running, running_in_groups = [], []
    # Groups before tags everywhere, so that two ledgers cannot wait for each other.
    if groups:
        await lock_groups(connection, groups)
    if limited:
        await lock_id_tags(connection, limited)
        running = await starts.find_running(connection, limited)
    if groups:
        running_in_groups = await starts.find_running_in_groups(connection, groups)
    strangers = {start.charge_point for key, start in new.items() if key.tag not in tags}
    policies = await find_unknown_tag_policies(connection, strangers)
    return start_rules.TagFacts(tags, policies, running, group_limits, running_in_groups)


async def _presume_ended(connection: Connection, over: Sequence[sessions.Over]) -> None:
    """Mark open transactions that are over, with the last register that their samples show."""
    marked = await sessions.presume_ended(connection, over)
    if marked:
        habits = {ChargePointKey(item.tenant_id, item.charge_point_id): item.habits for item in over}
        await sessions.note_registers(connection, marked, habits)


async def _join_waiting_stops(
    connection: Connection, started: Mapping[TransactionKey, TransactionStart]
) -> None:
    """Close those of the new transactions whose stop is here already."""
    waiting = await orphans.find_waiting_stops(connection, started.values(), stop_rules.STOP_WAITS)
    joined = stop_rules.match_waiting_stops(started, waiting)
    if joined:
        await _close(connection, [item.closing for item in joined])
        await orphans.join_stops(connection, joined)


async def _write_stops(
    connection: Connection, reported: Sequence[TransactionStop]
) -> list[stop_rules.StopDecision]:
    """Record stops without their transactionData, and return what was decided, in the same order."""
    transactions = await _find_transactions(connection, reported)
    tags = await _find_stop_tags(connection, reported)
    decisions = stop_rules.decide_stops(reported, transactions, tags)
    closings = [decision.closing for decision in decisions if decision.closing is not None]
    if closings:
        await _close(connection, closings)
    if registers := [decision.register for decision in decisions if decision.register is not None]:
        await stops.write_late_registers(connection, registers)
    kept = [
        orphans.stop_orphan(
            stop, stop_rules.stop_payload(stop), decision.orphan_kind, decision.answer.transaction_id
        )
        for stop, decision in zip(reported, decisions, strict=True)
        if decision.orphan_kind is not None
    ]
    if kept:
        await orphans.insert_orphans(connection, kept)
    return decisions


def _readings_of_stop(stop: TransactionStop, decision: stop_rules.StopDecision) -> list[MeterReadings]:
    """Return the transactionData of a stop at the place where it belongs, if it is to be stored."""
    if decision.samples_at is None or not stop.transaction_data:
        return []
    return [
        MeterReadings(
            stop.tenant_id,
            stop.charge_point_id,
            decision.samples_at.connector_id,
            decision.samples_at.transaction_id,
            stop.received_at_us,
            stop.transaction_data,
        )
    ]


async def _find_transactions(
    connection: Connection, reported: Sequence[TransactionStop]
) -> list[StoppableTransaction | None]:
    """Return the transaction that each stop is about, locked until the commit."""
    named = {
        stops.TransactionName(stop.tenant_id, stop.charge_point_id, stop.transaction_id or 0)
        for stop in reported
        if stop_rules.names_a_transaction(stop)
    }
    unnamed = [stop for stop in reported if not stop_rules.names_a_transaction(stop)]
    while True:
        chosen = await _choose(connection, unnamed) if unnamed else []
        found = [item for item in chosen if item is not None]
        names = named | {
            stops.TransactionName(item.tenant_id, item.charge_point_id, item.id) for item in found
        }
        locked = await stops.lock_transactions(connection, names) if names else {}
        # Another ledger may have stopped one before it was locked: then the choice is another one.
        if all(locked.get(item.key) == item for item in found):
            break
    of_unnamed = iter(chosen)
    return [
        stop_rules.transaction_of(stop, [one] if (one := locked.get(_named(stop))) is not None else [])
        if stop_rules.names_a_transaction(stop)
        else next(of_unnamed)
        for stop in reported
    ]


def _named(stop: TransactionStop) -> TransactionKey:
    return TransactionKey(stop.tenant_id, stop.transaction_id or 0)


async def _choose(
    connection: Connection, unnamed: Sequence[TransactionStop]
) -> list[StoppableTransaction | None]:
    """Return the transaction of each stop without valid transactionId. They are not locked."""
    searched = [_search_of(stop) for stop in unnamed]
    candidates = await stops.find_candidates(connection, searched)
    return [stop_rules.transaction_of(stop, found) for stop, found in zip(unnamed, candidates, strict=True)]


def _search_of(stop: TransactionStop) -> stops.UnnamedStop:
    return stops.UnnamedStop(
        stop.tenant_id,
        stop.charge_point_id,
        stop.stopped_at,
        stop.meter_stop_wh,
        stop_rules.named_id(stop),
        stop_rules.ending_of(stop).is_dated,
    )


async def _find_stop_tags(
    connection: Connection, reported: Sequence[TransactionStop]
) -> dict[IdTagKey, IdTagRecord]:
    keys = {key for stop in reported if (key := stop_rules.stop_tag(stop)) is not None}
    return await find_id_tags(connection, sorted(keys))


async def _close(connection: Connection, closings: Sequence[Closing]) -> None:
    """Write the ends of transactions, and the effect on the remote stops that asked for some of them."""
    if ended := await stops.close_transactions(connection, closings):
        await effects.set_stopped(connection, ended, AWAITS_EFFECT)
