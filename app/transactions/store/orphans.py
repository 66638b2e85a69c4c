"""Billing messages that fit no transaction: kept once, as they came, until a late start explains some."""

from collections.abc import Collection, Sequence
from dataclasses import astuple
from typing import Final

import asyncpg
import orjson

from app.database.prepared import Connection
from app.database.text import clean_text, json_text
from app.transactions.records import (
    DEFAULT_REASON,
    Ending,
    InvalidRecord,
    JoinedStop,
    Orphan,
    OrphanKind,
    TransactionStop,
    WaitingStop,
)
from app.types import ChargePointKey, Json

_INSERT: Final = """
    insert into orphan_records (tenant_id, charge_point_id, kind, action, payload, raw, received_at,
        stopped_at, transaction_id, digest)
    select tenant_id, charge_point_id, kind, action, payload::jsonb, raw, received_at, stopped_at,
        transaction_id, hashtextextended(concat_ws('/', kind, payload, raw), 0)
    from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::timestamptz[], $8::timestamptz[], $9::int[])
        as new (tenant_id, charge_point_id, kind, action, payload, raw, received_at, stopped_at,
            transaction_id)
    on conflict do nothing
"""

_FIND_WAITING_STOPS: Final = """
    select id, tenant_id, charge_point_id, payload, received_at, stopped_at
    from orphan_records
    where (tenant_id, charge_point_id) in (select * from unnest($1::bigint[], $2::bigint[]))
        and kind = 'stop_unknown_transaction' and transaction_id is null
    order by stopped_at, id
    for update
"""

_JOIN: Final = """
    update orphan_records set transaction_id = joined.transaction_id
    from unnest($1::bigint[], $2::bigint[], $3::int[]) as joined (tenant_id, id, transaction_id)
    where orphan_records.tenant_id = joined.tenant_id and orphan_records.id = joined.id
"""

# The transactionData of a stop that waited was stored under the id that the stop named.
_JOIN_METER_VALUES: Final = """
    update meter_values set transaction_id = joined.transaction_id
    from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::int[])
        as joined (tenant_id, charge_point_id, received_at, transaction_id)
    where meter_values.tenant_id = joined.tenant_id and meter_values.charge_point_id = joined.charge_point_id
        and meter_values.context = 'stop'
        and meter_values.received_at = joined.received_at and meter_values.transaction_id <= 0
"""


def invalid_orphan(record: InvalidRecord) -> Orphan:
    """Return the row of a billing message that was refused for its structure."""
    return Orphan(
        record.tenant_id,
        record.charge_point_id,
        "invalid",
        clean_text(record.action),
        json_text(record.payload),
        clean_text(record.raw),
        record.received_at,
    )


def stop_orphan(stop: TransactionStop, payload: Json, kind: OrphanKind, transaction_id: int | None) -> Orphan:
    """Return the row of a stop that closes nothing.

    Args:
        stop: The stop.
        payload: What is kept of its message.
        kind: Why it closes nothing.
        transaction_id: The transaction that it was matched to.
    """
    return Orphan(
        stop.tenant_id,
        stop.charge_point_id,
        kind,
        "StopTransaction",
        json_text(payload),
        None,
        stop.received_at,
        stop.stopped_at,
        transaction_id,
    )


async def insert_orphans(connection: Connection, orphans: Sequence[Orphan]) -> None:
    """Insert rows; a row that is there already stays as it is."""
    await connection.execute(_INSERT, *zip(*map(astuple, orphans), strict=True))


async def find_waiting_stops(
    connection: Connection, charge_points: Collection[ChargePointKey]
) -> list[WaitingStop]:
    """Return the stops of some charge points that no transaction fitted, in the order of their time.

    They are locked until the commit.
    """
    rows = await connection.fetch(_FIND_WAITING_STOPS, *zip(*charge_points, strict=True))
    return [_waiting_stop(row) for row in rows]


async def join_stops(connection: Connection, joined: Sequence[JoinedStop]) -> None:
    """Note on waiting stops, and on their samples, which transaction they belong to."""
    stops = [item.stop for item in joined]
    tenants = [stop.tenant_id for stop in stops]
    transaction_ids = [item.closing.transaction.id for item in joined]
    await connection.execute(_JOIN, tenants, [stop.id for stop in stops], transaction_ids)
    places = [stop.charge_point_id for stop in stops]
    times = [stop.received_at for stop in stops]
    await connection.execute(_JOIN_METER_VALUES, tenants, places, times, transaction_ids)


def _waiting_stop(row: asyncpg.Record) -> WaitingStop:
    payload = orjson.loads(row["payload"])
    ending = Ending(
        row["stopped_at"],
        payload["meterStop"],
        payload.get("reason", DEFAULT_REASON),
        payload.get("idTag"),
        tuple(payload.get("flags", ())),
    )
    return WaitingStop(
        id=row["id"],
        tenant_id=row["tenant_id"],
        charge_point_id=row["charge_point_id"],
        named_id=payload["transactionId"],
        received_at=row["received_at"],
        ending=ending,
        payload=payload,
    )
