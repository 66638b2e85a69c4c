"""The steps of a batch that concern stops: find the transactions that they may be about, and close them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg
import orjson

from app.commands.store.effects import SET_STOPPED
from app.database.prepared import Connection
from app.database.text import json_text
from app.events.payloads import TransactionEndedEvent
from app.events.writer import event_insert, insert_events
from app.id_tags.records import IdTagKey, IdTagRecord
from app.id_tags.store import JOIN_JUDGED, JUDGED_COLUMNS, tag_of
from app.transactions.records import (
    Closing,
    Ending,
    LateRegister,
    MeterReadings,
    StoppableTransaction,
    TransactionKey,
)
from app.transactions.rules.stops import REGISTER_CAME_LATER
from app.transactions.store.events import Updated, ended_text, updated_event
from app.transactions.store.meter_values import insert_statement, noted_readings, readings_text

# The f-strings join constants of this module only; every value is a parameter.
# ruff: noqa: S608

_NEWEST: Final = 50

_COLUMNS: Final = """
    id, tenant_id as of_tenant, charge_point_id, connector_id, id_tag_key as started_tag, started_at,
    meter_start_wh, flags, stopped_at, stopped_received_at, meter_stop_wh, stop_reason, stop_id_tag,
    stop_id_tag_info, stop_raw ->> 'transactionId' as named_id, started_epoch
"""

_LOCK: Final = f"""
    select {_COLUMNS}
    from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as named (at_tenant, at_charge_point, named_id)
    join transactions on tenant_id = at_tenant and charge_point_id = at_charge_point and id = named.named_id
    order by tenant_id, id
    for update of transactions
"""

_FIND_NAMED: Final = f"""
    select asked.number, named.*, {JUDGED_COLUMNS}
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) with ordinality
        as asked (tenant_id, charge_point_id, transaction_id, id_tag_key, number)
    left join lateral (
        select {_COLUMNS}
        from transactions
        where tenant_id = asked.tenant_id and charge_point_id = asked.charge_point_id
            and id = asked.transaction_id
    ) as named on true
    {JOIN_JUDGED}
"""

# Candidates for each stop: the transactions that bear exactly this stop or lack a register, and the open
# ones. A charge point has a long history, and firmware that stops nothing many open ones: the newest count.
_FIND_CANDIDATES: Final = f"""
    select asked.number, candidate.*
    from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::text[], $6::boolean[])
        with ordinality
        as asked (tenant_id, charge_point_id, stopped_at, meter_stop_wh, named_id, is_dated, number)
    cross join lateral (
        select * from (
            select {_COLUMNS}
            from transactions
            where tenant_id = asked.tenant_id and charge_point_id = asked.charge_point_id
                and stopped_received_at is not null
            order by stopped_received_at desc limit {_NEWEST}
        ) as stopped
        where meter_stop_wh is null or meter_stop_wh = asked.meter_stop_wh and (
            named_id is not distinct from asked.named_id
                and (stopped_at = asked.stopped_at or not asked.is_dated)
            or '{REGISTER_CAME_LATER}' = any(flags)
        )
        union all (
            select {_COLUMNS}
            from transactions
            where tenant_id = asked.tenant_id and charge_point_id = asked.charge_point_id
                and stopped_received_at is null
            order by started_epoch desc, id desc limit {_NEWEST}
        )
    ) as candidate
"""

# What is not open any more stays as it is; `is null` would let PostgreSQL look among all open ones. Remote
# stops are told in the same statement, and samples stored with it, so that a stop needs no transaction.
_NOTED: Final = event_insert(
    TransactionEndedEvent,
    """
    select ended.tenant_id, ended.charge_point_id, new.received_at as occurred_at, event::json as data
    from ended join new on new.tenant_id = ended.tenant_id and new.id = ended.transaction_id
    """,
)
_END: Final = f"""
    with new as (
        select * from unnest($1::bigint[], $2::int[], $3::bigint[], $4::timestamptz[], $5::timestamptz[],
                $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bytea[],
                $13::text[])
            as new (tenant_id, id, charge_point_id, stopped_at, received_at, meter_stop_wh, reason, id_tag,
                id_tag_info, raw, new_flags, evidence, event)
    ), ended as (
        update transactions set stopped_at = new.stopped_at, stopped_received_at = new.received_at,
            meter_stop_wh = new.meter_stop_wh, stop_reason = new.reason, stop_id_tag = new.id_tag,
            stop_id_tag_info = new.id_tag_info::jsonb, stop_raw = new.raw::jsonb,
            flags = flags || string_to_array(new.new_flags, ','), stop_evidence = new.evidence
        from new
        where transactions.tenant_id = new.tenant_id and transactions.charge_point_id = new.charge_point_id
            and transactions.id = new.id and num_nulls(transactions.stopped_received_at) = 1
        returning transactions.tenant_id, transactions.charge_point_id, transactions.id as transaction_id
    ), told as ({SET_STOPPED}), noted as ({_NOTED})
"""
_OF_ENDED: Final = """ and exists (
    select from ended
    where ended.tenant_id = record.tenant_id and ended.transaction_id = record.transaction_id
)"""
_CLOSED: Final = "select tenant_id, transaction_id from ended"
_CLOSE: Final = _END + _CLOSED
_CLOSE_WITH_READINGS: Final = f"""
    {_END}, {noted_readings(insert_statement("$14") + _OF_ENDED)}
    {_CLOSED}
"""

_COMPLETE: Final = """
    update transactions set meter_stop_wh = late.register_wh,
        flags = flags || string_to_array(late.new_flags, ',')
    from unnest($1::bigint[], $2::int[], $3::bigint[], $4::text[])
        as late (tenant_id, id, register_wh, new_flags)
    where transactions.tenant_id = late.tenant_id and transactions.id = late.id
    returning transactions.tenant_id, charge_point_id, transactions.id, meter_start_wh, meter_stop_wh, flags
"""


class TransactionName(NamedTuple):
    """A transaction as a charge point names it."""

    tenant_id: int
    charge_point_id: int
    transaction_id: int


class NamedStop(NamedTuple):
    """A stop with a valid transactionId. id_tag_key: of the tag that it names, if it names one."""

    tenant_id: int
    charge_point_id: int
    transaction_id: int
    id_tag_key: str | None


class UnnamedStop(NamedTuple):
    """The search for the transaction of a stop without valid transactionId.

    named_id: what it names, as text; is_dated: its time is the one that the charge point reported.
    """

    tenant_id: int
    charge_point_id: int
    stopped_at: datetime
    meter_stop_wh: int | None
    named_id: str | None
    is_dated: bool


async def lock_transactions(
    connection: Connection, names: Iterable[TransactionName]
) -> dict[TransactionKey, StoppableTransaction]:
    """Return those of the named transactions that exist, locked until the commit."""
    rows = await connection.fetch(_LOCK, *zip(*names, strict=True))
    found = [_stoppable(row) for row in rows]
    return {item.key: item for item in found}


async def find_named(
    connection: Connection, stops: Sequence[NamedStop]
) -> tuple[list[StoppableTransaction | None], dict[IdTagKey, IdTagRecord]]:
    """Return the transaction of each stop, None: there is none, and the tags that they name, as stored.

    Nothing is locked.
    """
    transactions: list[StoppableTransaction | None] = [None] * len(stops)
    tags: dict[IdTagKey, IdTagRecord] = {}
    for row in await connection.fetch(_FIND_NAMED, *zip(*stops, strict=True)):
        if row["id"] is not None:
            transactions[row["number"] - 1] = _stoppable(row)
        if (tag := tag_of(row)) is not None:
            tags[IdTagKey(tag.tenant_id, tag.id_tag_key)] = tag
    return transactions, tags


async def find_candidates(
    connection: Connection, stops: Sequence[UnnamedStop]
) -> list[list[StoppableTransaction]]:
    """Return for each stop the transactions that it may be about. They are not locked."""
    found: list[list[StoppableTransaction]] = [[] for _ in stops]
    for row in await connection.fetch(_FIND_CANDIDATES, *zip(*stops, strict=True)):
        found[row["number"] - 1].append(_stoppable(row))
    return found


async def close_transactions(
    connection: Connection, closings: Sequence[Closing], readings: Sequence[MeterReadings] = ()
) -> set[TransactionKey]:
    """Write the ends of those transactions that are open, and the effect on remote stops of them.

    Return what was closed. readings: the transactionData of the stops, stored with the ends.
    """
    columns = zip(*map(_closing_row, closings), strict=True)
    if readings:
        rows = await connection.fetch(_CLOSE_WITH_READINGS, *columns, readings_text((), readings))
    else:
        rows = await connection.fetch(_CLOSE, *columns)
    return {TransactionKey(*row.values()) for row in rows}


async def write_late_registers(connection: Connection, registers: Sequence[LateRegister]) -> None:
    """Write the registers of transactions that were closed without one."""
    rows = [(*item.key, item.meter_stop_wh, ",".join(item.flags)) for item in registers]
    completed = await connection.fetch(_COMPLETE, *zip(*rows, strict=True))
    received_at = {item.key: item.received_at for item in registers}
    events = []
    for row in completed:
        updated = Updated(*row.values())
        events.append(updated_event(updated, received_at[TransactionKey(updated.tenant_id, updated.id)]))
    await insert_events(connection, events)


def _stoppable(row: asyncpg.Record) -> StoppableTransaction:
    ending = None
    if row["stopped_received_at"] is not None:
        ending = Ending(row["stopped_at"], row["meter_stop_wh"], row["stop_reason"], row["stop_id_tag"])
    info = row["stop_id_tag_info"]
    return StoppableTransaction(
        id=row["id"],
        tenant_id=row["of_tenant"],
        charge_point_id=row["charge_point_id"],
        connector_id=row["connector_id"],
        id_tag_key=row["started_tag"],
        started_at=row["started_at"],
        meter_start_wh=row["meter_start_wh"],
        flags=tuple(row["flags"]),
        ending=ending,
        id_tag_info=None if info is None else orjson.loads(info),
        named_id=row["named_id"],
        epoch=row["started_epoch"],
    )


def _closing_row(closing: Closing) -> tuple[object, ...]:
    ending = closing.ending
    # The readings are rows of their own; a second copy of them would only be in the way.
    raw = {key: value for key, value in closing.raw.items() if key != "transactionData"}
    return (
        *closing.transaction.key,
        closing.transaction.charge_point_id,
        ending.stopped_at,
        closing.received_at,
        ending.meter_stop_wh,
        ending.reason,
        ending.id_tag,
        None if closing.id_tag_info is None else json_text(closing.id_tag_info),
        json_text(raw),
        ",".join(closing.flags),
        closing.evidence,
        ended_text(closing),
    )
