"""The starts of a batch: which are repetitions, how new ones are judged, and what came before them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.commands.records import StartedTransaction
from app.commands.rules import AWAITS_EFFECT
from app.commands.store import effects
from app.database.prepared import Connection
from app.id_tags.store import (
    find_group_limits,
    find_id_tags,
    find_unknown_tag_policies,
    lock_groups,
    lock_id_tags,
)
from app.transactions.batch_stops import write_closings
from app.transactions.records import (
    JudgedStart,
    StartKey,
    TransactionKey,
    TransactionStart,
    TransactionStarted,
)
from app.transactions.rules import starts as start_rules
from app.transactions.rules import stops as stop_rules
from app.transactions.store import meter_values, orphans, sessions, starts
from app.transactions.store.overtaken import find_later_signs
from app.transactions.store.transaction_ids import ReservedIds
from app.types import ChargePointKey

_WRITTEN_WITHIN: Final = timedelta(minutes=1)
"""More than a start waits for a webhook and for the database together, before its charge point gives up."""


async def write_starts(
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
    rows = {
        TransactionKey(key.tenant_id, row.transaction_id): (new[key], row) for key, row in inserted.items()
    }
    started = {key: start for key, (start, _) in rows.items()}
    # Starts of one charge point in one batch do not see each other.
    count = Counter(start.charge_point for start in started.values())
    ending = [
        sessions.over_by_start(key, start)
        for key, (start, row) in rows.items()
        if row.has_open or count[start.charge_point] > 1
    ]
    overtaken = {key: start for key, (start, row) in rows.items() if row.is_overtaken}
    late = {key: start for key, start in started.items() if start_rules.came_late(start)}
    if overtaken:
        signs = await find_later_signs(connection, overtaken)
        ending += signs.values()
        # Its samples may have come by the next connection.
        late |= {
            key: replace(
                start, received_at=signs[key].at if key in signs else start.received_at + _WRITTEN_WITHIN
            )
            for key, start in overtaken.items()
        }
    if ending:
        await write_presumed_ends(connection, ending)
    if late:
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


async def write_presumed_ends(connection: Connection, over: Sequence[sessions.Over]) -> None:
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
        await write_closings(connection, [item.closing for item in joined])
        await orphans.join_stops(connection, joined)
