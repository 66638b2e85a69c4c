"""Decide what starts and stops mean: repeats, permissions, remote starts, which transaction a stop closes.

Pure functions over records. The store finds what they are given, and writes what they decide. One decision is
made in SQL, because it is needed for each sample: see `store.meter_values`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from app.clock import PLAUSIBLE_FROM, parse_time
from app.commands.records import CommandState, RemoteStart
from app.database.text import clean_text
from app.id_tags.records import IdTagKey, IdTagRecord
from app.id_tags.rules import fold_id_tag, id_tag_info, is_limited
from app.transactions.records import (
    DEFAULT_REASON,
    TIME_UNREADABLE,
    Closing,
    Ending,
    JoinedStop,
    JudgedStart,
    OrphanKind,
    RunningTransaction,
    SamplePlace,
    StartKey,
    StopOutcome,
    StoppableTransaction,
    StopRecorded,
    TransactionKey,
    TransactionStart,
    TransactionStop,
    WaitingStop,
)
from app.types import Json

REPLAYED: Final = "replayed"
"""Flag: the start came long after it happened, and its tag was judged by the reported time."""
METER_DECREASED: Final = "meter_decreased"
"""Flag: the register at the stop is below the one at the start."""
STOP_BEFORE_START: Final = "stop_before_start"
"""Flag: the stop's time lies before the start's."""
STOP_CAME_FIRST: Final = "stop_came_first"
"""Flag: the stop arrived before the start, without a valid transactionId, and was joined to it."""

AWAITS_EFFECT: Final[tuple[CommandState, ...]] = ("queued", "sent", "accepted", "timed_out")
"""States in which a remote start or stop may still have led to what a charge point reports."""

# With a hash of its text this is the key of a time that is not readable: the key of a retry must not depend
# on its arrival, and another start has another text.
_UNREADABLE_KEY = datetime(1970, 1, 1, tzinfo=UTC)
_UNREADABLE_KEY_BYTES = 6
# Older than this at its arrival, a start was queued offline: its tag is judged by the reported time.
_ONLINE_WITHIN = timedelta(minutes=5)


def reported_time(text: object, received_at: datetime) -> tuple[datetime, tuple[str, ...]]:
    """Return the time that a charge point reported, or that of its arrival with a flag if it is unreadable.

    A billing record is never refused for its time (OCPP 1.6 4.8, 4.10).
    """
    moment = parse_time(text) if isinstance(text, str) else None
    return (received_at, (TIME_UNREADABLE,)) if moment is None else (moment, ())


# Starts


def start_key(start: TransactionStart) -> StartKey:
    """Return what makes two starts the same: a start with the key of a stored one is a repetition."""
    return StartKey(
        start.tenant_id,
        start.charge_point_id,
        start.connector_id,
        fold_id_tag(clean_text(start.id_tag)),
        _unreadable_key(start) if TIME_UNREADABLE in start.flags else start.started_at,
        start.meter_start_wh,
    )


def judge_starts(
    starts: Mapping[StartKey, TransactionStart],
    tags: Mapping[IdTagKey, IdTagRecord],
    running: Iterable[RunningTransaction],
) -> list[JudgedStart]:
    """Decide what the new starts of a batch are answered, in their order.

    Args:
        starts: Starts that are not stored yet.
        tags: Their id tags, as far as they are known.
        running: What runs on those tags that are limited.
    """
    by_tag: dict[IdTagKey, list[RunningTransaction]] = {}
    for transaction in running:
        tag_key = IdTagKey(transaction.tenant_id, transaction.id_tag_key)
        by_tag.setdefault(tag_key, []).append(transaction)
    judged = []
    for key, start in starts.items():
        tag_key = key.tag
        tag = tags.get(tag_key)
        judged_at, flags = _judged_at(start)
        if is_limited(tag):
            others = by_tag.setdefault(tag_key, [])
            info = id_tag_info(tag, judged_at, sum(not _is_over(other, start) for other in others))
            if info["status"] == "Accepted":
                # The next start of the same batch counts this one.
                place = (start.charge_point_id, start.connector_id)
                others.append(RunningTransaction(*tag_key, *place, start.started_at))
        else:
            info = id_tag_info(tag, judged_at, 0)
        judged.append(JudgedStart(start, key, clean_text(start.id_tag), flags, info))
    return judged


def match_remote_starts(
    starts: Iterable[JudgedStart], commands: Iterable[RemoteStart], window: timedelta
) -> dict[StartKey, UUID]:
    """Return the remote start that led to each start, if one did: the newest that fits, each of them once.

    Args:
        starts: New starts.
        commands: Remote starts in one of the states `AWAITS_EFFECT`, without effect so far.
        window: How long before the arrival of a start its remote start may have been created.
    """
    free = sorted(commands, key=lambda command: (command.created_at, command.id), reverse=True)
    matched = {}
    for start in starts:
        command = next((command for command in free if asked_for(command, start, window)), None)
        if command is not None:
            matched[start.key] = command.id
            free.remove(command)
    return matched


def asked_for(command: RemoteStart, judged: JudgedStart, window: timedelta) -> bool:
    """Tell whether a remote start may have led to a start: same place, same tag, and not too long ago."""
    start = judged.start
    if (command.tenant_id, command.charge_point_id) != (start.tenant_id, start.charge_point_id):
        return False
    if command.id_tag is None or fold_id_tag(command.id_tag) != judged.key.id_tag_key:
        return False
    if command.connector_id is not None and command.connector_id != str(start.connector_id):
        return False
    if REPLAYED in judged.flags and start.started_at < command.created_at - _ONLINE_WITHIN:
        return False
    return command.created_at >= start.received_at - window


def _unreadable_key(start: TransactionStart) -> datetime:
    text = orjson.dumps(start.raw.get("timestamp"))
    number = int.from_bytes(blake2b(text, digest_size=_UNREADABLE_KEY_BYTES).digest(), "big")
    return _UNREADABLE_KEY + timedelta(microseconds=number)


def _judged_at(start: TransactionStart) -> tuple[datetime, tuple[str, ...]]:
    """Return the time at which the tag counts, and the flags of the start.

    The time is ours, or the reported one of a start that was queued offline.
    """
    reported = start.started_at
    if PLAUSIBLE_FROM <= reported < start.received_at - _ONLINE_WITHIN:
        return reported, (*start.flags, REPLAYED)
    return start.received_at, start.flags


def _is_over(transaction: RunningTransaction, start: TransactionStart) -> bool:
    """Tell whether a start shows that a transaction has ended: a connector carries one at a time."""
    return (
        transaction.charge_point_id == start.charge_point_id
        and transaction.connector_id == start.connector_id
        and transaction.started_at < start.started_at
    )


# Stops


class StopDecision(NamedTuple):
    """The decision on a stop. transaction: the one it is about; id_tag_info: of the answer.

    closing: the end to write, if the stop closes its transaction; orphan_kind: why the message is kept as an
    orphan, if it is; samples_at: where its transactionData belongs, None if it is not stored again.
    """

    outcome: StopOutcome
    transaction: StoppableTransaction | None
    id_tag_info: Json | None
    closing: Closing | None = None
    orphan_kind: OrphanKind | None = None
    samples_at: SamplePlace | None = None

    @property
    def answer(self) -> StopRecorded:
        """The answer of the ledger."""
        number = None if self.transaction is None else self.transaction.id
        return StopRecorded(self.outcome, self.id_tag_info, number)


def names_a_transaction(stop: TransactionStop) -> bool:
    """Tell whether the transactionId of a stop is valid; -1 and 0 mean none (OCPP 1.6 errata 3.18)."""
    return stop.transaction_id > 0


def ending_of(stop: TransactionStop) -> Ending:
    """Return what a stop says of the end of its transaction."""
    return Ending(
        stop.stopped_at,
        stop.meter_stop_wh,
        DEFAULT_REASON if stop.reason is None else clean_text(stop.reason),
        None if stop.id_tag is None else clean_text(stop.id_tag),
        stop.flags,
    )


def stop_tag(stop: TransactionStop) -> IdTagKey | None:
    """Return what the id tag of a stop is found by; None: the stop names none."""
    if stop.id_tag is None:
        return None
    return IdTagKey(stop.tenant_id, fold_id_tag(clean_text(stop.id_tag)))


def transaction_of(
    stop: TransactionStop, candidates: Iterable[StoppableTransaction]
) -> StoppableTransaction | None:
    """Return the transaction that a stop is about.

    A valid transactionId names it. Otherwise it is the one that an earlier try of this stop closed, or else
    the newest open one of the charge point that began before the stop, with the tag of the stop if it names
    one.
    """
    if names_a_transaction(stop):
        name = (stop.charge_point_id, stop.transaction_id)
        return next((item for item in candidates if (item.charge_point_id, item.id) == name), None)
    ending = ending_of(stop)
    here = [item for item in candidates if item.charge_point_id == stop.charge_point_id]
    tried = [item for item in here if _was_closed_by(item, stop, ending)]
    if tried:
        return max(tried, key=lambda item: item.id)
    fitting = [item for item in here if item.ending is None and _may_close(ending, item)]
    return max(fitting, key=lambda item: (item.started_at, item.id), default=None)


def is_same_ending(stored: Ending, reported: Ending) -> bool:
    """Tell whether a stop repeats the stored one. Its time is not compared if it was not readable."""
    if stored.stopped_at != reported.stopped_at and TIME_UNREADABLE not in reported.flags:
        return False
    return (stored.meter_stop_wh, stored.reason, _folded(stored.id_tag)) == (
        reported.meter_stop_wh,
        reported.reason,
        _folded(reported.id_tag),
    )


def decide_stops(
    stops: Sequence[TransactionStop],
    transactions: Sequence[StoppableTransaction | None],
    tags: Mapping[IdTagKey, IdTagRecord],
) -> list[StopDecision]:
    """Decide what follows from the stops of a batch, in their order.

    The first stop of a transaction closes it. The same stop again gets the same answer; another one is kept
    as a conflict. A stop without transaction is kept as an orphan. No stop is refused.

    Args:
        stops: Stops in the order of their arrival.
        transactions: What `transaction_of` says of each of them.
        tags: The id tags that the stops name, as far as they are known.
    """
    closed: dict[TransactionKey, Closing] = {}
    decisions = []
    for stop, transaction in zip(stops, transactions, strict=True):
        if transaction is None:
            place = SamplePlace(stop.transaction_id, 0)
            decision = StopDecision("orphan", None, None, None, "stop_unknown_transaction", place)
        elif transaction.key in closed:
            closing = closed[transaction.key]
            decision = _decide_again(stop, transaction, closing.ending, closing.id_tag_info)
        elif transaction.ending is not None:
            decision = _decide_again(stop, transaction, transaction.ending, transaction.id_tag_info)
        else:
            closing = closed[transaction.key] = _closing(stop, transaction, tags)
            place = SamplePlace(transaction.id, transaction.connector_id)
            decision = StopDecision("closed", transaction, closing.id_tag_info, closing, None, place)
        decisions.append(decision)
    return decisions


def stop_payload(stop: TransactionStop) -> Json:
    """Return the message as it came, with the fields that matching needs in any case."""
    named = {"transactionId": stop.transaction_id, "meterStop": stop.meter_stop_wh}
    optional = {"reason": stop.reason, "idTag": stop.id_tag, "flags": list(stop.flags) or None}
    return {**stop.raw, **named, **{key: value for key, value in optional.items() if value is not None}}


def _decide_again(
    stop: TransactionStop, transaction: StoppableTransaction, ending: Ending, info: Json | None
) -> StopDecision:
    """Decide on a stop of a transaction that has ended so already. info: what that end was answered."""
    if not is_same_ending(ending, ending_of(stop)):
        return StopDecision("conflict", transaction, info, orphan_kind="stop_conflict")
    if not names_a_transaction(stop):
        # Its samples may be stored where the stop waited for its start, under digests of that place.
        return StopDecision("repeated", transaction, info)
    place = SamplePlace(transaction.id, transaction.connector_id)
    return StopDecision("repeated", transaction, info, samples_at=place)


def _closing(
    stop: TransactionStop, transaction: StoppableTransaction, tags: Mapping[IdTagKey, IdTagRecord]
) -> Closing:
    ending = ending_of(stop)
    info = None
    if ending.id_tag is not None:
        tag = tags.get(IdTagKey(stop.tenant_id, fold_id_tag(ending.id_tag)))
        info = id_tag_info(tag, stop.received_at)
    flags = _ending_flags(transaction, ending)
    return Closing(transaction, ending, stop.received_at, info, stop_payload(stop), flags)


def _ending_flags(transaction: StoppableTransaction, ending: Ending) -> tuple[str, ...]:
    flags = ending.flags
    if ending.meter_stop_wh < transaction.meter_start_wh:
        flags = (*flags, METER_DECREASED)
    if ending.stopped_at < transaction.started_at:
        flags = (*flags, STOP_BEFORE_START)
    return flags


def _was_closed_by(transaction: StoppableTransaction, stop: TransactionStop, ending: Ending) -> bool:
    """Tell whether this stop, which names no valid id, closed the transaction in an earlier try."""
    stored = transaction.ending
    if stored is None or transaction.named_id != str(stop.transaction_id):
        return False
    is_timeless = TIME_UNREADABLE in ending.flags and TIME_UNREADABLE in transaction.flags
    return stored.meter_stop_wh == ending.meter_stop_wh and (
        stored.stopped_at == ending.stopped_at or is_timeless
    )


def _may_close(ending: Ending, transaction: StoppableTransaction) -> bool:
    tag = _folded(ending.id_tag)
    return transaction.started_at <= ending.stopped_at and tag in (None, transaction.id_tag_key)


def _folded(id_tag: str | None) -> str | None:
    return None if id_tag is None else fold_id_tag(id_tag)


# Stops that come before their start


def match_waiting_stops(
    started: Mapping[TransactionKey, TransactionStart], waiting: Sequence[WaitingStop]
) -> list[JoinedStop]:
    """Return the waiting stops that end new transactions: the first that fits, each of them once.

    Args:
        started: The new starts by the key of their transaction.
        waiting: Stops without transaction, in the order of their time.
    """
    free = list(waiting)
    joined = []
    for key, start in started.items():
        stop = next((stop for stop in free if may_have_ended(stop, start)), None)
        if stop is not None:
            free.remove(stop)
            joined.append(JoinedStop(stop, _late_closing(key.id, start, stop)))
    return joined


def may_have_ended(stop: WaitingStop, start: TransactionStart) -> bool:
    """Tell whether a waiting stop can be that of a start: same place, later, more on the meter, same tag."""
    if (stop.tenant_id, stop.charge_point_id) != (start.tenant_id, start.charge_point_id):
        return False
    if stop.named_id > 0 or stop.ending.stopped_at < start.started_at:
        return False
    if stop.ending.meter_stop_wh < start.meter_start_wh:
        return False
    return _folded(stop.ending.id_tag) in (None, fold_id_tag(clean_text(start.id_tag)))


def _late_closing(transaction_id: int, start: TransactionStart, stop: WaitingStop) -> Closing:
    transaction = StoppableTransaction(
        transaction_id,
        start.tenant_id,
        start.charge_point_id,
        start.connector_id,
        fold_id_tag(clean_text(start.id_tag)),
        start.started_at,
        start.meter_start_wh,
    )
    flags = (*_ending_flags(transaction, stop.ending), STOP_CAME_FIRST)
    # The stop was answered without idTagInfo when it came, and a repetition must be answered the same.
    return Closing(transaction, stop.ending, stop.received_at, None, stop.payload, flags)
