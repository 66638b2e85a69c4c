"""Decides what follows if an operator attaches an orphan record to a transaction."""

from typing import Final, NamedTuple

from app.quirks.records import NO_HABITS, Habits
from app.transactions.records import (
    JoinedStop,
    OperatorOutcome,
    OrphanKind,
    StoppableTransaction,
    WaitingStop,
)
from app.transactions.rules.stops import attached_closing

STOP_ATTACHED: Final = "stop_attached"
"""Flag: an operator has attached the stop."""


class LockedOrphan(NamedTuple):
    """A stored orphan record that is to be attached. stop: what it tells, if it is a stop."""

    id: int
    kind: OrphanKind
    transaction_id: int | None
    stop: WaitingStop | None


def attach(
    orphan: LockedOrphan, transaction: StoppableTransaction | None, habits: Habits = NO_HABITS
) -> tuple[OperatorOutcome, JoinedStop | None]:
    """Return the outcome, and the stop with the end that it writes, if it ends the transaction.

    A stop ends an open transaction. Any other record, or the stop of one that has ended, is only noted there.
    transaction: None if the charge point of the record has no such one; habits: of the charge point.
    """
    if transaction is None:
        return "other_charge_point", None
    if orphan.transaction_id is not None and orphan.kind != "stop_conflict":
        return "attached_before", None
    if orphan.stop is None:
        return "done", None
    if transaction.ending is not None:
        return "stopped", None
    closing = attached_closing(transaction, orphan.stop, STOP_ATTACHED, habits)
    return "done", JoinedStop(orphan.stop, closing)
