"""Stops: which transaction each is about, what it decides, and those that come too early. OCPP 1.6 4.10"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from app.database.text import clean_text
from app.id_tags.records import IdTagKey, IdTagRecord
from app.id_tags.rules import fold_id_tag, id_tag_info
from app.quirks.records import NO_HABITS, Habits
from app.transactions.records import (
    DEFAULT_REASON,
    UNDATED,
    Closing,
    Ending,
    JoinedStop,
    LateRegister,
    OrphanKind,
    SamplePlace,
    StopOutcome,
    StoppableTransaction,
    StopRecorded,
    TransactionKey,
    TransactionStart,
    TransactionStop,
    WaitingStop,
)
from app.transactions.rules.starts import is_dated
from app.types import Json

METER_DECREASED: Final = "meter_decreased"
"""Flag: the register at the stop is below the one at the start."""
STOP_BEFORE_START: Final = "stop_before_start"
"""Flag: the stop's time lies before the start's."""
STOP_CAME_FIRST: Final = "stop_came_first"
"""Flag: the stop arrived before the start, without a valid transactionId, and was joined to it."""
REGISTER_CAME_LATER: Final = "register_came_later"
"""Flag: the first stop bore no register. That of a later stop is stored."""

STOP_WAITS: Final = timedelta(days=7)
"""How long a stop without transaction waits for its start."""


class StopDecision(NamedTuple):
    """The decision on a stop. transaction: the one it is about; id_tag_info: of the answer.

    closing: the end to write, if the stop closes its transaction; orphan_kind: why the message is kept as an
    orphan, if it is; samples_at: where its transactionData belongs, None if it is not stored again;
    register: the one to write, if an earlier stop has closed the transaction without one.
    """

    outcome: StopOutcome
    transaction: StoppableTransaction | None
    id_tag_info: Json | None
    closing: Closing | None = None
    orphan_kind: OrphanKind | None = None
    samples_at: SamplePlace | None = None
    register: LateRegister | None = None

    @property
    def answer(self) -> StopRecorded:
        """The answer of the ledger."""
        number = None if self.transaction is None else self.transaction.id
        return StopRecorded(self.outcome, self.id_tag_info, number)


def names_a_transaction(stop: TransactionStop) -> bool:
    """Tell whether a stop has a valid transactionId; -1, 0 and nothing mean none (OCPP 1.6 errata 3.18)."""
    return stop.transaction_id is not None and stop.transaction_id > 0


def named_id(stop: TransactionStop) -> str | None:
    """Return the transactionId that a stop names as text; None: it names none."""
    return None if stop.transaction_id is None else str(stop.transaction_id)


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
    an open one of the charge point: with the tag of the stop before others, the newest by its arrival before
    others. Where no open one has the tag, one with it that was closed without a register is meant: the stop
    completes its own damaged copy.
    """
    here = [item for item in candidates if item.charge_point_id == stop.charge_point_id]
    if names_a_transaction(stop):
        return next((item for item in here if item.id == stop.transaction_id), None)
    ending = ending_of(stop)
    tried = [item for item in here if _was_closed_by(item, stop, ending)]
    if tried:
        return max(tried, key=lambda item: item.arrival)
    tag = _folded(ending.id_tag)
    fitting = [item for item in here if item.ending is None and _may_close(ending, item)]
    if all(item.id_tag_key != tag for item in fitting):
        fitting = [item for item in here if _lacks_register_of(item, ending, tag)] or fitting
    return max(fitting, key=lambda item: (item.id_tag_key == tag, item.arrival), default=None)


def is_same_ending(stored: Ending, reported: Ending) -> bool:
    """Tell whether a stop repeats the stored one. Its time is not compared if it says nothing."""
    if stored.stopped_at != reported.stopped_at and reported.is_dated:
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
    as a conflict, of which only a register counts that is missing so far. A stop without transaction is
    kept as an orphan. No stop is refused.

    Args:
        stops: Stops in the order of their arrival.
        transactions: What `transaction_of` says of each of them.
        tags: The id tags that the stops name, as far as they are known.
    """
    ends: dict[TransactionKey, tuple[Ending, Json | None]] = {
        item.key: (item.ending, item.id_tag_info)
        for item in transactions
        if item is not None and item.ending is not None
    }
    decisions = []
    for stop, transaction in zip(stops, transactions, strict=True):
        if transaction is None:
            place = SamplePlace(stop.transaction_id or 0, 0)
            decision = StopDecision("orphan", None, None, None, "stop_unknown_transaction", place)
        elif transaction.key in ends:
            ending, info = ends[transaction.key]
            decision = _decide_again(stop, transaction, ending, info)
            if decision.register is not None:
                ends[transaction.key] = ending._replace(meter_stop_wh=decision.register.meter_stop_wh), info
        else:
            closing = _closing(stop, transaction, tags)
            ends[transaction.key] = closing.ending, closing.id_tag_info
            place = SamplePlace(transaction.id, transaction.connector_id)
            decision = StopDecision("closed", transaction, closing.id_tag_info, closing, None, place)
        decisions.append(decision)
    return decisions


def stands_alone(stop: TransactionStop, decision: StopDecision) -> bool:
    """Tell whether a stop concerns nothing but the transaction that it closes, or repeats an answer."""
    return decision.closing is not None or (decision.outcome == "repeated" and not stop.transaction_data)


def stop_payload(stop: TransactionStop) -> Json:
    """Return the message as it came, with what joining it to its start needs in any case."""
    told = {"reason": stop.reason, "idTag": stop.id_tag, "flags": list(stop.flags) or None}
    return {**stop.raw, **{key: value for key, value in told.items() if value is not None}}


def _decide_again(
    stop: TransactionStop, transaction: StoppableTransaction, ending: Ending, info: Json | None
) -> StopDecision:
    """Decide on a stop of a transaction that has ended so already. info: what that end was answered."""
    if not is_same_ending(ending, ending_of(stop)):
        register = _late_register(stop, transaction, ending)
        place = None if register is None else SamplePlace(transaction.id, transaction.connector_id)
        return StopDecision("conflict", transaction, info, None, "stop_conflict", place, register)
    if not names_a_transaction(stop):
        # Its samples may be stored where the stop waited for its start, under digests of that place.
        return StopDecision("repeated", transaction, info)
    place = SamplePlace(transaction.id, transaction.connector_id)
    return StopDecision("repeated", transaction, info, samples_at=place)


def _late_register(
    stop: TransactionStop, transaction: StoppableTransaction, ending: Ending
) -> LateRegister | None:
    """Return the register that a later stop tells, if the one that closed the transaction told none."""
    if ending.meter_stop_wh is not None or stop.meter_stop_wh is None:
        return None
    began = transaction.meter_start_wh
    is_lower = began is not None and stop.meter_stop_wh < began and not stop.habits.session_meter
    decreased = (METER_DECREASED,) if is_lower else ()
    flags = (REGISTER_CAME_LATER, *decreased)
    return LateRegister(transaction.key, stop.meter_stop_wh, flags, stop.received_at)


def _closing(
    stop: TransactionStop, transaction: StoppableTransaction, tags: Mapping[IdTagKey, IdTagRecord]
) -> Closing:
    ending = ending_of(stop)
    info = None
    if ending.id_tag is not None:
        tag = tags.get(IdTagKey(stop.tenant_id, fold_id_tag(ending.id_tag)))
        info = id_tag_info(tag, stop.received_at)
    flags = _ending_flags(transaction, ending, stop.habits)
    raw = stop_payload(stop)
    return Closing(transaction, ending, stop.received_at, info, raw, flags, stop.evidence)


def _ending_flags(transaction: StoppableTransaction, ending: Ending, habits: Habits) -> tuple[str, ...]:
    flags = ending.flags
    meter_start_wh, meter_stop_wh = transaction.meter_start_wh, ending.meter_stop_wh
    is_lower = meter_start_wh is not None and meter_stop_wh is not None and meter_stop_wh < meter_start_wh
    # The register of a session meter begins again, so a lower one shows nothing.
    if is_lower and not habits.session_meter:
        flags = (*flags, METER_DECREASED)
    if ending.stopped_at < transaction.started_at:
        flags = (*flags, STOP_BEFORE_START)
    return flags


def _was_closed_by(transaction: StoppableTransaction, stop: TransactionStop, ending: Ending) -> bool:
    """Tell whether this stop, which names no valid id, closed the transaction in an earlier try."""
    stored = transaction.ending
    if stored is None:
        return False
    if REGISTER_CAME_LATER in transaction.flags:
        # The first copy was damaged: of its time and its transactionId nothing may be known.
        tag = _folded(ending.id_tag)
        return stored.meter_stop_wh == ending.meter_stop_wh and tag in (None, transaction.id_tag_key)
    if transaction.named_id != named_id(stop):
        return False
    is_undated = not ending.is_dated and not UNDATED.isdisjoint(transaction.flags)
    return stored.meter_stop_wh == ending.meter_stop_wh and (
        stored.stopped_at == ending.stopped_at or is_undated
    )


def _lacks_register_of(transaction: StoppableTransaction, ending: Ending, tag: str | None) -> bool:
    """Tell whether a transaction was closed without the register that a stop with its tag tells."""
    if transaction.ending is None or transaction.ending.meter_stop_wh is not None:
        return False
    return (
        ending.meter_stop_wh is not None and transaction.id_tag_key == tag and _may_close(ending, transaction)
    )


def _may_close(ending: Ending, transaction: StoppableTransaction) -> bool:
    """Tell whether a stop without a valid id may be that of an open transaction.

    It must not lie before the start. A clock that was set back in between is known by the register, which
    went on: an earlier session has left it where this one began, or below.
    """
    if transaction.started_at <= ending.stopped_at:
        return True
    began, ended = transaction.meter_start_wh, ending.meter_stop_wh
    return began is not None and ended is not None and 0 < began < ended


def _folded(id_tag: str | None) -> str | None:
    return None if id_tag is None else fold_id_tag(id_tag)


def match_waiting_stops(
    started: Mapping[TransactionKey, TransactionStart], waiting: Sequence[WaitingStop]
) -> list[JoinedStop]:
    """Return the waiting stops that end new transactions: the first that fits, each of them once.

    Args:
        started: The new starts by the key of their transaction.
        waiting: Stops without transaction, in the order of their arrival.
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
    """Tell whether a waiting stop can be that of a start: same place, later, more on the meter, same tag.

    The start must have begun before the stop arrived: otherwise it is the session of the next driver,
    whatever time the stop names. A start whose time says nothing cannot show that.
    """
    if (stop.tenant_id, stop.charge_point_id) != (start.tenant_id, start.charge_point_id):
        return False
    if not is_dated(start) or start.started_at > stop.received_at:
        return False
    if stop.ending.stopped_at < start.started_at or start.received_at - stop.received_at > STOP_WAITS:
        return False
    began, ended = start.meter_start_wh, stop.ending.meter_stop_wh
    if began is not None and ended is not None and ended < began and not start.habits.session_meter:
        return False
    return _folded(stop.ending.id_tag) in (None, fold_id_tag(clean_text(start.id_tag)))


def attached_closing(
    transaction: StoppableTransaction, stop: WaitingStop, flag: str, habits: Habits = NO_HABITS
) -> Closing:
    """Return the end of an open transaction by a stop that was kept as an orphan record. flag: says why."""
    flags = (*_ending_flags(transaction, stop.ending, habits), flag)
    # The stop was answered without idTagInfo when it came, and a repetition must be answered the same.
    raw = {key: value for key, value in stop.payload.items() if key != "flags"}
    return Closing(transaction, stop.ending, stop.received_at, None, raw, flags)


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
    return attached_closing(transaction, stop, STOP_CAME_FIRST, start.habits)
