"""Billing messages that fit no transaction: kept once, as they came, until a late start explains some."""

from collections.abc import Collection, Sequence
from dataclasses import astuple
from datetime import timedelta
from typing import Final

import asyncpg
import orjson

from app.clock import moment_of
from app.database.prepared import Connection
from app.database.repository import LARGEST_INT32
from app.database.text import clean_text, json_text
from app.id_tags.rules import fold_id_tag
from app.transactions.records import (
    DEFAULT_REASON,
    DamagedRecord,
    Ending,
    JoinedStop,
    Orphan,
    OrphanAttachment,
    OrphanKind,
    TransactionStart,
    TransactionStop,
    WaitingStop,
)
from app.transactions.rules.attachments import LockedOrphan
from app.transactions.rules.stops import names_a_transaction
from app.types import Json

_FEW: Final = 10

_INSERT: Final = """
    insert into orphan_records (tenant_id, charge_point_id, kind, action, payload, raw, received_at,
        stopped_at, transaction_id, meter_stop_wh, id_tag_key, awaits_start, samples_from, samples_to, digest)
    select tenant_id, charge_point_id, kind, action, payload::jsonb, raw, received_at, stopped_at,
        transaction_id, meter_stop_wh, id_tag_key, awaits_start, samples_from, samples_to,
        hashtextextended(concat_ws('/', kind, payload, raw), 0)
    from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::timestamptz[], $8::timestamptz[], $9::int[], $10::bigint[], $11::text[], $12::boolean[],
            $13::timestamptz[], $14::timestamptz[])
        as new (tenant_id, charge_point_id, kind, action, payload, raw, received_at, stopped_at,
            transaction_id, meter_stop_wh, id_tag_key, awaits_start, samples_from, samples_to)
    on conflict do nothing
"""

# A charge point may keep many stops that fit nothing: of those that may fit a start only the first are read.
# The conditions of `rules.stops.may_have_ended` are here too: a rule that admits more needs a wider search.
_FIND_WAITING_STOPS: Final = f"""
    with found as (
        select distinct waiting.tenant_id, waiting.id
        from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::bigint[],
                $6::text[])
            as start (tenant_id, charge_point_id, started_at, received_at, meter_start_wh, id_tag_key)
        cross join lateral (
            select tenant_id, id from orphan_records
            where tenant_id = start.tenant_id and charge_point_id = start.charge_point_id
                and awaits_start and transaction_id is null
                and received_at >= greatest(start.started_at, start.received_at - $7::interval)
                and stopped_at >= start.started_at
                and (start.meter_start_wh is null or meter_stop_wh is null
                    or meter_stop_wh >= start.meter_start_wh)
                and (id_tag_key is null or id_tag_key = start.id_tag_key)
            order by received_at limit {_FEW}
        ) as waiting
    )
    select id, tenant_id, charge_point_id, payload, received_at, stopped_at, meter_stop_wh, samples_from,
        samples_to
    from orphan_records
    where (tenant_id, id) in (select tenant_id, id from found)
    order by received_at, id
    for update
"""  # noqa: S608 - a constant of this module

_LOCK: Final = """
    select id, tenant_id, charge_point_id, kind, transaction_id, payload, received_at, stopped_at,
        meter_stop_wh, samples_from, samples_to
    from orphan_records
    where tenant_id = $1 and charge_point_id = $2 and id = $3
    for update
"""

_JOIN: Final = """
    update orphan_records set transaction_id = joined.transaction_id
    from unnest($1::bigint[], $2::bigint[], $3::int[]) as joined (tenant_id, id, transaction_id)
    where orphan_records.tenant_id = joined.tenant_id and orphan_records.id = joined.id
"""

# The transactionData of a stop that waited was stored under the id that the stop named.
_JOIN_METER_VALUES: Final = """
    update meter_values set transaction_id = joined.transaction_id, connector_id = joined.connector_id
    from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[],
            $6::int[], $7::bigint[])
        as joined (tenant_id, charge_point_id, received_at, samples_from, samples_to, transaction_id,
            connector_id)
    where meter_values.tenant_id = joined.tenant_id and meter_values.charge_point_id = joined.charge_point_id
        and meter_values.sampled_at between joined.samples_from and joined.samples_to
        and meter_values.context = 'stop' and meter_values.received_at = joined.received_at
"""


def damaged_orphan(record: DamagedRecord) -> Orphan:
    """Return the row of the text of a damaged billing message."""
    return Orphan(
        record.tenant_id,
        record.charge_point_id,
        "damaged",
        record.action,
        json_text(record.deviations),
        clean_text(record.raw),
        record.received_at,
        transaction_id=_named(record.transaction_id),
    )


def _named(transaction_id: int | None) -> int | None:
    """Return a transactionId that a message names, if it can be one of ours."""
    return transaction_id if transaction_id is not None and 0 < transaction_id <= LARGEST_INT32 else None


def stop_orphan(stop: TransactionStop, payload: Json, kind: OrphanKind, transaction_id: int | None) -> Orphan:
    """Return the row of a stop that closes nothing.

    Args:
        stop: The stop.
        payload: What is kept of its message.
        kind: Why it closes nothing.
        transaction_id: The transaction that it was matched to.
    """
    times = [reading.sampled_at_us for reading in stop.transaction_data]
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
        stop.meter_stop_wh,
        None if stop.id_tag is None else fold_id_tag(clean_text(stop.id_tag)),
        kind == "stop_unknown_transaction" and not names_a_transaction(stop),
        moment_of(min(times)) if times else None,
        moment_of(max(times)) if times else None,
    )


async def insert_orphans(connection: Connection, orphans: Sequence[Orphan]) -> None:
    """Insert rows; a row that is there already stays as it is."""
    await connection.execute(_INSERT, *zip(*map(astuple, orphans), strict=True))


async def find_waiting_stops(
    connection: Connection, started: Collection[TransactionStart], waits: timedelta
) -> list[WaitingStop]:
    """Return stops that may be those of new transactions, in the order of their arrival.

    They are locked until the commit. waits: how long a stop waits for its start.
    """
    rows = [
        (
            start.tenant_id,
            start.charge_point_id,
            start.started_at,
            start.received_at,
            start.meter_start_wh,
            fold_id_tag(clean_text(start.id_tag)),
        )
        for start in started
    ]
    found = await connection.fetch(_FIND_WAITING_STOPS, *zip(*rows, strict=True), waits)
    return [_waiting_stop(row) for row in found]


async def join_stops(connection: Connection, joined: Sequence[JoinedStop]) -> None:
    """Note on waiting stops, and on their samples, which transaction they belong to."""
    tenants = [item.stop.tenant_id for item in joined]
    transaction_ids = [item.closing.transaction.id for item in joined]
    await connection.execute(_JOIN, tenants, [item.stop.id for item in joined], transaction_ids)
    samples = [
        (
            item.stop.tenant_id,
            item.stop.charge_point_id,
            item.stop.received_at,
            item.stop.samples_from,
            item.stop.samples_to,
            item.closing.transaction.id,
            item.closing.transaction.connector_id,
        )
        for item in joined
        if item.stop.samples_from is not None
    ]
    if samples:
        await connection.execute(_JOIN_METER_VALUES, *zip(*samples, strict=True))


async def lock_orphan(connection: Connection, act: OrphanAttachment) -> LockedOrphan | None:
    """Return the orphan record of a charge point that is to be attached, locked until the commit."""
    row = await connection.fetchrow(_LOCK, act.tenant_id, act.charge_point_id, act.orphan_id)
    if row is None:
        return None
    is_stop = row["kind"] in ("stop_unknown_transaction", "stop_conflict")
    return LockedOrphan(
        row["id"], row["kind"], row["transaction_id"], _waiting_stop(row) if is_stop else None
    )


async def set_transaction(connection: Connection, act: OrphanAttachment) -> None:
    """Note on an orphan record which transaction it belongs to."""
    await connection.execute(_JOIN, [act.tenant_id], [act.orphan_id], [act.transaction_id])


def _waiting_stop(row: asyncpg.Record) -> WaitingStop:
    payload = orjson.loads(row["payload"])
    ending = Ending(
        row["stopped_at"],
        row["meter_stop_wh"],
        payload.get("reason", DEFAULT_REASON),
        payload.get("idTag"),
        tuple(payload.get("flags", ())),
    )
    return WaitingStop(
        id=row["id"],
        tenant_id=row["tenant_id"],
        charge_point_id=row["charge_point_id"],
        received_at=row["received_at"],
        ending=ending,
        payload=payload,
        samples_from=row["samples_from"],
        samples_to=row["samples_to"],
    )
