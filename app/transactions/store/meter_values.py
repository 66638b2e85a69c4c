"""Meter values of one batch. Those that the core has queued are one COPY that it encodes: the hot path.

A COPY knows no `on conflict`, and cannot find a transaction by time. So everything else, and a queued batch
that holds a sample which is stored already (a retry), goes another way: as JSON, through an INSERT.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg
import orjson

from app.clock import moment_of
from app.database.copying import copy_encoded
from app.ocpp import MeterBatch, meter_digest
from app.transactions.records import MeterReading, MeterReadings, TransactionStop
from app.transactions.store.statements import INSERT_METER_VALUES

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A connection inside the batch's transaction, or outside of one."""


class MeterWrites:
    """Collects the readings of one batch."""

    __slots__ = ("_others", "_queued")

    def __init__(self, queued: MeterBatch | None, records: Sequence[MeterReadings]) -> None:
        """queued: all with a valid transactionId; records: whatever they name."""
        self._queued = queued
        self._others: list[Any] = [_as_json(record) for record in records]

    @property
    def is_one_statement(self) -> bool:
        """Whether `write` needs no transaction around it."""
        return not self._others

    def add_stop(self, stop: TransactionStop, transaction_id: int, connector_id: int) -> None:
        """Take the transactionData of a StopTransaction. connector_id: 0 when no transaction tells it."""
        if stop.transaction_data:
            readings = MeterReadings(
                stop.tenant_id,
                stop.charge_point_id,
                connector_id,
                transaction_id,
                stop.received_at_us,
                stop.transaction_data,
            )
            self._others.append(_as_json(readings, "stop"))

    async def write(self, connection: Connection) -> None:
        """Insert what was collected; what is there already stays as it is."""
        if self._queued is not None:
            try:
                await _copy(connection, self._queued)
            except asyncpg.UniqueViolationError:
                records = map(readings_of, self._queued.records())
                await _insert(connection, [_as_json(record) for record in records])
        if self._others:
            await _insert(connection, self._others)


def readings_of(record: tuple[int, int, int, int, int, list[tuple[int, str]]]) -> MeterReadings:
    """Return one record of a queued batch as any other."""
    tenant_id, charge_point_id, connector_id, transaction_id, received_at_us, found = record
    readings = [MeterReading(*reading) for reading in found]
    return MeterReadings(tenant_id, charge_point_id, connector_id, transaction_id, received_at_us, readings)


async def _copy(connection: Connection, queued: MeterBatch) -> None:
    copying = copy_encoded(connection, "meter_values", MeterBatch.COLUMNS, queued.copy())
    if connection.is_in_transaction():
        async with connection.transaction():
            await copying
    else:
        # One statement is a transaction by itself: no BEGIN, no COMMIT, one round trip.
        await copying


def _as_json(record: MeterReadings, context: str = "periodic") -> dict[str, Any]:
    connector_id, reported = record.connector_id, record.transaction_id or 0
    return {
        "tenant_id": record.tenant_id,
        "charge_point_id": record.charge_point_id,
        "connector_id": connector_id,
        "transaction_id": record.transaction_id,
        "received_at": moment_of(record.received_at_us),
        "context": context,
        "readings": [
            {
                "sampled_at": moment_of(reading.sampled_at_us),
                "sampled_values": orjson.Fragment(reading.sampled_values),
                "digest": meter_digest(
                    reading.sampled_values + (reading.unreadable_time or ""), connector_id, reported
                ),
                "is_timeless": reading.unreadable_time is not None,
            }
            for reading in record.readings
        ],
    }


async def _insert(connection: Connection, records: list[Any]) -> None:
    await connection.execute(INSERT_METER_VALUES, orjson.dumps(records).decode())
