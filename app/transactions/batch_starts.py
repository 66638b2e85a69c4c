"""The starts of a batch: which are repetitions, how new ones are judged, and what came before them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from app.commands.records import StartedTransaction
from app.commands.rules import AWAITS_EFFECT
from app.commands.store import effects
from app.database.prepared import Connection
from app.id_tags.store import find_group_limits, lock_groups, lock_id_tags
from app.transactions.records import (
    JudgedStart,
    StartKey,
    TransactionKey,
    TransactionStart,
    TransactionStarted,
)
from app.transactions.rules import starts as start_rules
from app.transactions.rules import stops as stop_rules
from app.transactions.store import meter_values, orphans, sessions, starts, stops
from app.transactions.store.overtaken import find_later_signs
from app.transactions.store.transaction_ids import ReservedIds
from app.types import ChargePointKey

_WRITTEN_WITHIN: Final = timedelta(minutes=1)
"""More than a start waits for a webhook and for the database together, before its charge point gives up."""


class Starts:
    """The starts of a batch. First they are found, then written: alone, or with what they concern."""

    def __init__(self, reported: Mapping[int, TransactionStart], ids: ReservedIds, window: timedelta) -> None:
        """Take the starts of a batch, at least one.

        Args:
            reported: The starts by their place in the batch.
            ids: Enough free transaction ids.
            window: How long before a start its remote start may have been created.
        """
        self._reported = reported
        self._keys = {place: start_rules.start_key(start) for place, start in reported.items()}
        self._ids = ids
        self._window = window
        self._remote_since = min(map(start_rules.begun_at, reported.values())) - window
        self._answers: dict[StartKey, TransactionStarted] = {}
        self._new: dict[StartKey, _NewStart] = {}
        self._facts = start_rules.TagFacts()
        self._remote: set[ChargePointKey] = set()

    async def find(self, connection: Connection) -> None:
        """Find out which starts are repetitions, and what new ones are judged by. Nothing is locked."""
        found = await starts.find_starts(connection, dict.fromkeys(self._keys.values()), self._remote_since)
        # The first of several equal starts in one batch makes the row; the others are repetitions of it.
        for place, key in self._keys.items():
            if key in self._answers or key in self._new:
                continue
            start, known = self._reported[place], found.stored.get(key)
            if known is not None and start_rules.is_repetition(start, known):
                self._answers[key] = TransactionStarted(known.transaction_id, known.id_tag_info, True)
            else:
                number = 0 if known is None else known.number + 1
                self._new[key] = _NewStart(start, number, self._ids.take(key.tenant_id))
        named = {group for new in self._new.values() if (group := start_rules.external_group(new.start))}
        group_limits = await find_group_limits(connection, named)
        self._facts = start_rules.TagFacts(found.tags, found.policies, group_limits=group_limits)
        self._remote = found.remote

    async def write_alone(self, connection: Connection) -> None:
        """Insert new starts that concern nothing but their own row, by one statement without a transaction.

        What is not certain is left to `write`.
        """
        new = self._unanswered()
        if new and start_rules.stand_alone(new, self._facts, self._remote):
            judged = self._judge(self._facts)
            rows = [starts.NewStart(item, self._new[item.key].transaction_id) for item in judged]
            inserted = await starts.insert_without_past(connection, rows)
            self._answer(judged, inserted)

    async def write(self, connection: Connection) -> None:
        """Record the starts that are not answered yet, in the transaction of the batch."""
        new = self._unanswered()
        if not new:
            return
        judged = self._judge(await _with_running(connection, new, self._facts))
        commands = await _remote_starts_of(connection, judged, self._remote, self._window)
        rows = [
            starts.NewStart(item, self._new[item.key].transaction_id, commands.get(item.key))
            for item in judged
        ]
        inserted = await starts.insert_starts(connection, rows)
        led_to = [
            StartedTransaction(key.tenant_id, commands[key], row.transaction_id)
            for key, row in inserted.items()
            if key in commands
        ]
        if led_to:
            await effects.set_started(connection, led_to)
        await _join_past(connection, new, inserted)
        self._answer(judged, inserted)
        # Another ledger was faster with these: its row has the answer.
        if lost := list(self._unanswered()):
            found = await starts.find_starts(connection, lost, self._remote_since)
            self._answers |= {
                key: TransactionStarted(known.transaction_id, known.id_tag_info, True)
                for key, known in found.stored.items()
            }

    def answers(self) -> dict[int, TransactionStarted]:
        """Return the answers of the starts that have one, by the place of the start."""
        seen: set[StartKey] = set()
        answers = {}
        for place, key in self._keys.items():
            if (answer := self._answers.get(key)) is not None:
                answers[place] = replace(answer, repeated=True) if key in seen else answer
                seen.add(key)
        return answers

    def _unanswered(self) -> dict[StartKey, TransactionStart]:
        return {key: new.start for key, new in self._new.items() if key not in self._answers}

    def _judge(self, facts: start_rules.TagFacts) -> list[JudgedStart]:
        new = self._unanswered()
        return start_rules.judge_starts(new, {key: self._new[key].number for key in new}, facts)

    def _answer(self, judged: Sequence[JudgedStart], inserted: Collection[StartKey]) -> None:
        for item in judged:
            if item.key in inserted:
                transaction_id = self._new[item.key].transaction_id
                self._answers[item.key] = TransactionStarted(transaction_id, item.id_tag_info, False)


class _NewStart(NamedTuple):
    """A start that is not stored. number: of those with its key; transaction_id: free for it."""

    start: TransactionStart
    number: int
    transaction_id: int


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
    since = min(map(start_rules.begun_at, asked)) - window
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


async def _with_running(
    connection: Connection, new: Mapping[StartKey, TransactionStart], facts: start_rules.TagFacts
) -> start_rules.TagFacts:
    """Add what runs where new starts are limited. What limits them is locked until the commit."""
    limits = start_rules.limits_of_starts(new, facts)
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
    return replace(facts, running=running, running_in_groups=running_in_groups)


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
        await stops.close_transactions(connection, [item.closing for item in joined])
        await orphans.join_stops(connection, joined)
