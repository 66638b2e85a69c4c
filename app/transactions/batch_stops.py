"""The stops of a batch: which transaction each one ends, and what is kept of those that end none."""

from collections.abc import Mapping, Sequence
from itertools import chain

from app.database.prepared import Connection
from app.id_tags.records import IdTagKey, IdTagRecord
from app.id_tags.store import find_id_tags
from app.transactions.records import (
    MeterReadings,
    StoppableTransaction,
    StopRecorded,
    TransactionKey,
    TransactionStop,
)
from app.transactions.rules import stops as stop_rules
from app.transactions.store import orphans, stops


async def write_stops_alone(
    connection: Connection, reported: Mapping[int, TransactionStop]
) -> dict[int, StopRecorded]:
    """Record stops that close what they name, by one statement without a transaction, and return the answers.

    A stop that was answered before gets that answer. What is not certain is left to `write_stops`.
    reported: the stops by their place in the batch.
    """
    if not all(map(stop_rules.names_a_transaction, reported.values())):
        return {}
    transactions, tags = await stops.find_named(connection, [_name_of(stop) for stop in reported.values()])
    decisions = stop_rules.decide_stops(list(reported.values()), transactions, tags)
    if not all(map(stop_rules.stands_alone, reported.values(), decisions)):
        return {}
    closings = [decision.closing for decision in decisions if decision.closing is not None]
    readings = list(chain.from_iterable(map(readings_of_stop, reported.values(), decisions)))
    closed = await stops.close_transactions(connection, closings, readings) if closings else set()
    # Another ledger has closed these since they were found.
    lost = {closing.transaction.key for closing in closings} - closed
    return {
        place: decision.answer
        for place, decision in zip(reported, decisions, strict=True)
        if decision.transaction is not None and decision.transaction.key not in lost
    }


async def write_stops(
    connection: Connection, reported: Sequence[TransactionStop]
) -> list[stop_rules.StopDecision]:
    """Record stops without their transactionData, and return what was decided, in the same order."""
    transactions = await _find_transactions(connection, reported)
    tags = await _find_stop_tags(connection, reported)
    decisions = stop_rules.decide_stops(reported, transactions, tags)
    closings = [decision.closing for decision in decisions if decision.closing is not None]
    if closings:
        await stops.close_transactions(connection, closings)
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


def readings_of_stop(stop: TransactionStop, decision: stop_rules.StopDecision) -> list[MeterReadings]:
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


def _name_of(stop: TransactionStop) -> stops.NamedStop:
    tag = stop_rules.stop_tag(stop)
    tag_key = None if tag is None else tag.id_tag_key
    return stops.NamedStop(stop.tenant_id, stop.charge_point_id, stop.transaction_id or 0, tag_key)


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
