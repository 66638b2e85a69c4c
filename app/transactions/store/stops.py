"""StopTransaction in the ledger: the first stop of a transaction is its billing record, and each one is kept.

A stop for an open transaction closes it. The same stop again gets the same answer; another one is kept beside
it as a conflict. A stop that fits nothing is kept as an orphan (`ledger_joins` brings late starts to it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import orjson

from app.database.text import clean_text, json_text
from app.id_tags.batch_store import find_id_tags
from app.id_tags.rules import fold_id_tag, id_tag_info
from app.transactions.records import TIME_UNREADABLE, StopRecorded, TransactionStop
from app.transactions.store import statements as sql
from app.transactions.store.meter_values import Connection, MeterWrites
from app.transactions.store.orphans import Orphan, insert_orphans
from app.types import Json

METER_DECREASED = "meter_decreased"
"""Flag: the register at the stop is below the one at the start."""
STOP_BEFORE_START = "stop_before_start"
"""Flag: the stop's time lies before the start's."""
# OCPP-J 1.6 errata 2.5: a stop without a reason is a local one.
_DEFAULT_REASON = "Local"


@dataclass(frozen=True, slots=True)
class Ending:
    """What a stop says, and what makes two stops the same. `flags` is not compared."""

    stopped_at: datetime
    meter_stop_wh: int
    reason: str
    id_tag: str | None
    flags: tuple[str, ...] = ()

    @classmethod
    def of(cls, stop: TransactionStop) -> "Ending":
        """Return what a stop of the batch says."""
        id_tag = None if stop.id_tag is None else clean_text(stop.id_tag)
        reason = _DEFAULT_REASON if stop.reason is None else clean_text(stop.reason)
        return cls(stop.stopped_at, stop.meter_stop_wh, reason, id_tag, stop.flags)

    def is_repeated_by(self, other: "Ending") -> bool:
        """Say whether another stop is the same; its time does not count when it could not be read."""
        same_time = self.stopped_at == other.stopped_at or TIME_UNREADABLE in other.flags
        return same_time and (self.meter_stop_wh, self.reason, _folded(self.id_tag)) == (
            other.meter_stop_wh,
            other.reason,
            _folded(other.id_tag),
        )


@dataclass(slots=True)
class Stoppable:
    """A transaction under the batch's lock; `ending` and `info` change as stops are applied to it."""

    id: int
    tenant_id: int
    charge_point_id: int
    connector_id: int
    started_at: datetime
    meter_start_wh: int
    ending: Ending | None
    info: Json | None

    def flags_of(self, ending: Ending) -> tuple[str, ...]:
        """Return what is odd about an ending of this transaction."""
        flags = ending.flags
        if ending.meter_stop_wh < self.meter_start_wh:
            flags = (*flags, METER_DECREASED)
        if ending.stopped_at < self.started_at:
            flags = (*flags, STOP_BEFORE_START)
        return flags


@dataclass(frozen=True, slots=True)
class Closing:
    """One transaction to close, with the stop that closes it."""

    transaction: Stoppable
    ending: Ending
    received_at: datetime
    info: Json | None
    raw: Json
    flags: tuple[str, ...]


async def write_stops(
    connection: Connection, stops: Sequence[TransactionStop], meters: MeterWrites
) -> list[StopRecorded]:
    """Record stops, and give their transactionData to `meters`, inside the caller's transaction."""
    known = await _find_named(connection, stops)
    infos = await _judge(connection, stops)
    answers, closings, orphans = [], [], []
    for stop, info in zip(stops, infos, strict=True):
        ending = Ending.of(stop)
        transaction = known.get(stop.transaction_id)
        if transaction is not None and transaction.charge_point_id != stop.charge_point_id:
            transaction = None
        if stop.transaction_id <= 0:
            transaction = await _find_unnamed(connection, stop, ending, known)
        answer = _apply(ending, transaction, info)
        answers.append(answer)
        if transaction is not None and answer.outcome == "closed":
            flags = transaction.flags_of(ending)
            closings.append(Closing(transaction, ending, stop.received_at, info, _payload(stop), flags))
        elif answer.outcome in ("conflict", "orphan"):
            orphans.append(_orphan(stop, answer.transaction_id))
        # A repeated one without valid id: its samples may lie where it waited for its start, under digests
        # of that place.
        is_stored = answer.outcome == "repeated" and stop.transaction_id <= 0
        if answer.outcome != "conflict" and not is_stored:
            # What no transaction claims stays under the id that the charge point named.
            place = (transaction.id, transaction.connector_id) if transaction else (stop.transaction_id, 0)
            meters.add_stop(stop, *place)
    await close_transactions(connection, closings)
    await insert_orphans(connection, orphans)
    return answers


async def close_transactions(connection: Connection, closings: Sequence[Closing]) -> None:
    """Write the ends of transactions, and the effect on the remote stops that asked for them."""
    if not closings:
        return
    rows = [_closing_row(closing) for closing in closings]
    await connection.execute(sql.CLOSE_TRANSACTIONS, *zip(*rows, strict=True))
    ended = [
        (item.transaction.tenant_id, item.transaction.charge_point_id, item.transaction.id)
        for item in closings
    ]
    await connection.execute(sql.SET_REMOTE_STOP_EFFECTS, *zip(*ended, strict=True))


def _folded(id_tag: str | None) -> str | None:
    return None if id_tag is None else fold_id_tag(id_tag)


async def _find_named(connection: Connection, stops: Sequence[TransactionStop]) -> dict[int, Stoppable]:
    named = [(s.tenant_id, s.charge_point_id, s.transaction_id) for s in stops if s.transaction_id > 0]
    if not named:
        return {}
    rows = await connection.fetch(sql.FIND_STOPPING, *zip(*named, strict=True))
    return {row["id"]: _stoppable(row) for row in rows}


async def _find_unnamed(
    connection: Connection, stop: TransactionStop, ending: Ending, known: dict[int, Stoppable]
) -> Stoppable | None:
    """Return the transaction of a stop with id -1 or 0 (OCPP 1.6 errata 3.18), an earlier try's one first."""
    place = (stop.tenant_id, stop.charge_point_id)
    row = await connection.fetchrow(
        sql.FIND_STOPPED_ALIKE,
        *place,
        ending.stopped_at,
        ending.meter_stop_wh,
        str(stop.transaction_id),
        TIME_UNREADABLE in ending.flags,
    )
    if row is None:
        tag = _folded(ending.id_tag)
        row = await connection.fetchrow(sql.FIND_LATEST_OPEN, *place, ending.stopped_at, tag)
    if row is None:
        return None
    return known.setdefault(row["id"], _stoppable(row))


def _stoppable(row: asyncpg.Record) -> Stoppable:
    ending = None
    if row["stopped_received_at"] is not None:
        ending = Ending(row["stopped_at"], row["meter_stop_wh"], row["stop_reason"], row["stop_id_tag"])
    info = row["stop_id_tag_info"]
    return Stoppable(
        row["id"],
        row["tenant_id"],
        row["charge_point_id"],
        row["connector_id"],
        row["started_at"],
        row["meter_start_wh"],
        ending,
        None if info is None else orjson.loads(info),
    )


async def _judge(connection: Connection, stops: Sequence[TransactionStop]) -> list[Json | None]:
    """Return the `idTagInfo` of each stop that bears a tag; it is about that tag, and refuses nothing."""
    keys = [None if s.id_tag is None else (s.tenant_id, fold_id_tag(clean_text(s.id_tag))) for s in stops]
    tags = await find_id_tags(connection, sorted({key for key in keys if key is not None}))
    return [
        None if key is None else id_tag_info(tags.get(key), stop.received_at)
        for key, stop in zip(keys, stops, strict=True)
    ]


def _apply(ending: Ending, transaction: Stoppable | None, info: Json | None) -> StopRecorded:
    if transaction is None:
        return StopRecorded("orphan", None)
    if transaction.ending is None:
        transaction.ending, transaction.info = ending, info
        return StopRecorded("closed", info, transaction.id)
    repeated = transaction.ending.is_repeated_by(ending)
    return StopRecorded("repeated" if repeated else "conflict", transaction.info, transaction.id)


def _payload(stop: TransactionStop) -> Json:
    """Return the message as it came, with the fields that matching needs in any case."""
    named = {"transactionId": stop.transaction_id, "meterStop": stop.meter_stop_wh}
    optional = {"reason": stop.reason, "idTag": stop.id_tag, "flags": list(stop.flags) or None}
    return {**stop.raw, **named, **{key: value for key, value in optional.items() if value is not None}}


def _orphan(stop: TransactionStop, transaction_id: int | None) -> Orphan:
    return Orphan(
        stop.tenant_id,
        stop.charge_point_id,
        "stop_unknown_transaction" if transaction_id is None else "stop_conflict",
        "StopTransaction",
        json_text(_payload(stop)),
        None,
        stop.received_at,
        stop.stopped_at,
        transaction_id,
    )


def _closing_row(closing: Closing) -> tuple[object, ...]:
    ending = closing.ending
    # The readings are rows of their own; a second copy of them would only be in the way.
    raw = {key: value for key, value in closing.raw.items() if key != "transactionData"}
    return (
        closing.transaction.id,
        ending.stopped_at,
        closing.received_at,
        ending.meter_stop_wh,
        ending.reason,
        ending.id_tag,
        None if closing.info is None else json_text(closing.info),
        json_text(raw),
        ",".join(closing.flags),
    )
