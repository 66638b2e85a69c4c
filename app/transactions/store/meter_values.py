"""Meter values of one batch. Those that the core has queued are one COPY that it encodes: the hot path.

A COPY has no `on conflict`, and cannot find a transaction by time. So all other values, and a queued batch
that holds a sample which is stored already (a retry), go another way: as JSON, through an INSERT.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import asyncpg
import orjson

from app.clock import moment_of
from app.database.copying import copy_encoded
from app.database.prepared import Connection
from app.database.text import clean_text
from app.events.payloads import MeterValuesRecordedEvent
from app.events.writer import packed_event_insert, packed_insert
from app.ocpp import MeterBatch, meter_digest, pack_samples, unpack_samples
from app.transactions.records import MeterReading, MeterReadings, TransactionKey, TransactionStart

# A sample that names no transaction belongs to the newest one of its connector, if that ran when the sample
# was taken (OCPP 1.6 errata 3.16), or to none. SQL decides which one that is, not `rules`: charge points send
# such samples between sessions all the time, and to read the candidates first would cost each batch with one
# of them a round trip more. A sample whose time says nothing is stored under that of its arrival, which
# differs in a retry: the same sample with the same text in the place of its time counts as one.
_INSERT_THOSE: Final = """
    insert into meter_values (tenant_id, charge_point_id, connector_id, transaction_id, sampled_at,
        received_at, context, packed_values, digest, reported_time)
    select record.tenant_id, record.charge_point_id, record.connector_id,
        coalesce(running.id, record.transaction_id), reading.sampled_at, record.received_at, record.context,
        reading.packed_values, reading.digest, reading.reported_time
    from json_to_recordset({text}::json) as record (tenant_id bigint, charge_point_id bigint,
            connector_id bigint, transaction_id bigint, received_at timestamptz, context text,
            readings json)
    cross join lateral json_to_recordset(record.readings)
        as reading (sampled_at timestamptz, packed_values bytea, digest bigint, reported_time text)
    left join lateral (
        select id from (
            select id, coalesce(stopped_at, presumed_ended_at) as ended_at
            from transactions
            where tenant_id = record.tenant_id and charge_point_id = record.charge_point_id
                and connector_id = record.connector_id and started_at <= reading.sampled_at
            order by started_at desc, id desc limit 1
        ) as newest
        where ended_at is null or ended_at >= reading.sampled_at
    ) as running
        on record.connector_id > 0 and record.context = 'periodic' and coalesce(record.transaction_id, 0) <= 0
    where (reading.reported_time is null or not exists (
        select from meter_values as known
        where known.tenant_id = record.tenant_id and known.charge_point_id = record.charge_point_id
            and known.digest = reading.digest and known.reported_time is not null
    ))
"""


def insert_statement(text: str) -> str:
    """Return a statement that inserts readings, up to its last condition. text: of `readings_text`."""
    return _INSERT_THOSE.format(text=text)


def noted_readings(text: str) -> str:
    """Return the parts of a statement that insert readings and write the events of those that are new.

    text: of `insert_statement`, with its last condition.
    """
    return f"""
        stored as (
            {text} on conflict do nothing
            returning tenant_id, charge_point_id, connector_id, transaction_id, sampled_at
        ), told_readings as ({_NOTED})
    """


_NOTED: Final = packed_event_insert(MeterValuesRecordedEvent, "select * from stored")
_INSERT: Final = f"with {noted_readings(insert_statement('$1'))} select"

_CLAIM: Final = """
    update meter_values set transaction_id = started.id
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::timestamptz[], $6::timestamptz[])
        as started (tenant_id, charge_point_id, connector_id, id, started_at, received_at)
    where meter_values.tenant_id = started.tenant_id
        and meter_values.charge_point_id = started.charge_point_id
        and meter_values.sampled_at between started.started_at and started.received_at
        and meter_values.connector_id = started.connector_id and meter_values.context = 'periodic'
        and coalesce(meter_values.transaction_id, 0) <= 0
"""


async def claim_earlier(connection: Connection, started: Mapping[TransactionKey, TransactionStart]) -> None:
    """Let samples that named no transaction belong to a new one that had begun when they were taken."""
    rows = [
        (
            start.tenant_id,
            start.charge_point_id,
            start.connector_id,
            key.id,
            start.started_at,
            start.received_at,
        )
        for key, start in started.items()
    ]
    await connection.execute(_CLAIM, *zip(*rows, strict=True))


async def insert_queued(connection: Connection, queued: MeterBatch) -> None:
    """Insert the MeterValues that the core has queued; all of them name a valid transactionId.

    A sample that is stored already stays as it is.
    """
    try:
        await _copy(connection, queued)
    except asyncpg.UniqueViolationError:
        await insert_readings(connection, [readings_of(record) for record in queued.records()])


async def insert_readings(
    connection: Connection, reported: Iterable[MeterReadings], of_stops: Iterable[MeterReadings] = ()
) -> None:
    """Insert readings; a sample that is stored already stays as it is.

    Args:
        connection: Of the batch.
        reported: Readings of MeterValues, whatever transaction they name.
        of_stops: The transactionData of stops, at the place where it belongs.
    """
    await connection.execute(_INSERT, readings_text(reported, of_stops))


def readings_text(reported: Iterable[MeterReadings], of_stops: Iterable[MeterReadings]) -> str:
    """Return readings as `insert_statement` takes them."""
    undated: set[tuple[int, int, int]] = set()
    periodic = [_as_json(record, "periodic", undated) for record in reported]
    records = periodic + [_as_json(record, "stop", undated) for record in of_stops]
    return orjson.dumps(records).decode()


def samples_text(packed_values: bytes | None, sampled_values: str) -> str:
    """Return the `sampledValue` of a stored row as JSON text, as it came.

    sampled_values: the column of that name, which only rows of older versions have.
    """
    return sampled_values if packed_values is None else unpack_samples(packed_values)


def readings_of(record: tuple[int, int, int, int, int, list[tuple[int, str]]]) -> MeterReadings:
    """Return one record of a queued batch in the form of the others."""
    tenant_id, charge_point_id, connector_id, transaction_id, received_at_us, found = record
    readings = [MeterReading(*reading) for reading in found]
    return MeterReadings(tenant_id, charge_point_id, connector_id, transaction_id, received_at_us, readings)


async def _copy(connection: Connection, queued: MeterBatch) -> None:
    events = packed_insert(MeterValuesRecordedEvent, queued.events())
    copying = copy_encoded(connection, "meter_values", MeterBatch.COLUMNS, queued.copy(), then=events)
    if connection.is_in_transaction():
        async with connection.transaction():
            await copying
    else:
        # One statement is a transaction by itself: no BEGIN, no COMMIT, one round trip.
        await copying


def _as_json(record: MeterReadings, context: str, undated: set[tuple[int, int, int]]) -> dict[str, Any]:
    """Return a record for `_INSERT`. undated: keys of samples whose time says nothing; each is taken once."""
    readings = []
    for reading in record.readings:
        told = reading.sampled_values + (reading.reported_time or "")
        digest = meter_digest(told, record.connector_id, record.transaction_id or 0)
        if reading.reported_time is not None:
            key = (record.tenant_id, record.charge_point_id, digest)
            if key in undated:
                continue
            undated.add(key)
        readings.append(
            {
                "sampled_at": moment_of(reading.sampled_at_us),
                # The form in which PostgreSQL reads bytes.
                "packed_values": f"\\x{pack_samples(reading.sampled_values).hex()}",
                "digest": digest,
                "reported_time": None if reading.reported_time is None else clean_text(reading.reported_time),
            }
        )
    return {
        "tenant_id": record.tenant_id,
        "charge_point_id": record.charge_point_id,
        "connector_id": record.connector_id,
        "transaction_id": record.transaction_id,
        "received_at": moment_of(record.received_at_us),
        "context": context,
        "readings": readings,
    }
