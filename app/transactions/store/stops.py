"""The steps of a batch that concern stops: find the transactions that they may be about, and close them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg
import orjson

from app.commands.records import EndedTransaction
from app.database.prepared import Connection
from app.database.text import json_text
from app.transactions.records import (
    Closing,
    Ending,
    LateRegister,
    StoppableTransaction,
    TransactionKey,
)
from app.transactions.rules.stops import REGISTER_CAME_LATER

# The f-strings join constants of this module only; every value is a parameter.
# ruff: noqa: S608

_NEWEST: Final = 50

_COLUMNS: Final = """
    id, tenant_id, charge_point_id, connector_id, id_tag_key, started_at, meter_start_wh, flags, stopped_at,
    stopped_received_at, meter_stop_wh, stop_reason, stop_id_tag, stop_id_tag_info,
    stop_raw ->> 'transactionId' as named_id, started_epoch
"""

_LOCK: Final = f"""
    select {_COLUMNS}
    from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as named (of_tenant, at_charge_point, named_id)
    join transactions on tenant_id = of_tenant and charge_point_id = at_charge_point and id = named.named_id
    order by tenant_id, id
    for update of transactions
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

_CLOSE: Final = """
    update transactions set stopped_at = ended.stopped_at, stopped_received_at = ended.received_at,
        meter_stop_wh = ended.meter_stop_wh, stop_reason = ended.reason, stop_id_tag = ended.id_tag,
        stop_id_tag_info = ended.id_tag_info::jsonb, stop_raw = ended.raw::jsonb,
        flags = flags || string_to_array(ended.new_flags, ','), stop_evidence = ended.evidence
    from unnest($1::bigint[], $2::int[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::bigint[],
            $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bytea[])
        as ended (tenant_id, id, charge_point_id, stopped_at, received_at, meter_stop_wh, reason, id_tag,
            id_tag_info, raw, new_flags, evidence)
    where transactions.tenant_id = ended.tenant_id and transactions.charge_point_id = ended.charge_point_id
        and transactions.id = ended.id
    returning transactions.tenant_id, transactions.charge_point_id, transactions.id, exists (
        select from commands
        where commands.tenant_id = transactions.tenant_id
            and commands.charge_point_id = transactions.charge_point_id
            and action = 'RemoteStopTransaction' and effect is null
    )
"""

_COMPLETE: Final = """
    update transactions set meter_stop_wh = late.register_wh,
        flags = flags || string_to_array(late.new_flags, ',')
    from unnest($1::bigint[], $2::int[], $3::bigint[], $4::text[])
        as late (tenant_id, id, register_wh, new_flags)
    where transactions.tenant_id = late.tenant_id and transactions.id = late.id
"""


class TransactionName(NamedTuple):
    """A transaction as a charge point names it."""

    tenant_id: int
    charge_point_id: int
    transaction_id: int


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


async def find_candidates(
    connection: Connection, stops: Sequence[UnnamedStop]
) -> list[list[StoppableTransaction]]:
    """Return for each stop the transactions that it may be about. They are not locked."""
    found: list[list[StoppableTransaction]] = [[] for _ in stops]
    for row in await connection.fetch(_FIND_CANDIDATES, *zip(*stops, strict=True)):
        found[row["number"] - 1].append(_stoppable(row))
    return found


async def close_transactions(connection: Connection, closings: Sequence[Closing]) -> list[EndedTransaction]:
    """Write the ends of transactions. Return those of charge points with remote stops without effect."""
    rows = [_closing_row(closing) for closing in closings]
    closed = await connection.fetch(_CLOSE, *zip(*rows, strict=True))
    return [EndedTransaction(*name) for *name, is_remote in (row.values() for row in closed) if is_remote]


async def write_late_registers(connection: Connection, registers: Sequence[LateRegister]) -> None:
    """Write the registers of transactions that were closed without one."""
    rows = [(*item.key, item.meter_stop_wh, ",".join(item.flags)) for item in registers]
    await connection.execute(_COMPLETE, *zip(*rows, strict=True))


def _stoppable(row: asyncpg.Record) -> StoppableTransaction:
    ending = None
    if row["stopped_received_at"] is not None:
        ending = Ending(row["stopped_at"], row["meter_stop_wh"], row["stop_reason"], row["stop_id_tag"])
    info = row["stop_id_tag_info"]
    return StoppableTransaction(
        id=row["id"],
        tenant_id=row["tenant_id"],
        charge_point_id=row["charge_point_id"],
        connector_id=row["connector_id"],
        id_tag_key=row["id_tag_key"],
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
    )
