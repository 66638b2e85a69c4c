"""Meter values of one batch: the hot path, so all of them are one COPY that the core encodes.

A COPY knows no `on conflict`. So a batch that holds a sample which is stored already (a retry), or one that
has to find its transaction by time, goes another way: as JSON, through an INSERT.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, TypeAlias

import asyncpg
import orjson

from app.clock import moment_of
from app.ocpp import MeterRows, meter_digest
from app.store.entries import MeterReadings, TransactionStop
from app.store.ledger_sql import INSERT_METER_VALUES

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A connection inside the batch's transaction, or outside of one."""


class MeterBatch:
    """Collects readings. Those without a valid transactionId (1 and up) go their own way."""

    __slots__ = ("_named", "_others")

    def __init__(self, records: Sequence[MeterReadings]) -> None:
        self._named = [record for record in records if (record.transaction_id or 0) > 0]
        self._others: list[Any] = []
        if len(self._named) != len(records):
            self._others = [_as_json(record) for record in records if (record.transaction_id or 0) <= 0]

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
        if self._named:
            try:
                await self._copy(connection)
            except asyncpg.UniqueViolationError:
                await _insert(connection, [_as_json(record) for record in self._named])
        if self._others:
            await _insert(connection, self._others)

    async def _copy(self, connection: Connection) -> None:
        rows = MeterRows()
        for record in self._named:
            tenant_id, charge_point_id, connector_id, transaction_id, received_at_us, readings = record
            for sampled_at_us, sampled_values in readings:
                rows.add(
                    tenant_id,
                    charge_point_id,
                    connector_id,
                    transaction_id or 0,
                    sampled_at_us,
                    received_at_us,
                    sampled_values,
                )
        data = rows.take()
        if data is None:
            return
        copying = connection.copy_to_table(
            "meter_values", source=BytesIO(data), columns=MeterRows.COLUMNS, format="binary"
        )
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
                "sampled_at": moment_of(sampled_at_us),
                "sampled_values": orjson.Fragment(sampled_values),
                "digest": meter_digest(sampled_values, connector_id, reported),
            }
            for sampled_at_us, sampled_values in record.readings
        ],
    }


async def _insert(connection: Connection, records: list[Any]) -> None:
    await connection.execute(INSERT_METER_VALUES, orjson.dumps(records).decode())
