"""Meter values of one batch, as columns: the hot path, so a reading costs one tuple and one JSON text."""

from typing import Any, TypeAlias

import asyncpg

from app.store.entries import MeterReadings, TransactionStop
from app.store.ledger_sql import INSERT_METER_VALUES, INSERT_METER_VALUES_LOOKING_UP
from app.store.text import json_text

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A connection inside the batch's transaction."""


class MeterRows:
    """Collects readings column by column. Those without a valid transactionId (1 and up) go their own way."""

    __slots__ = ("_named", "_unnamed")

    def __init__(self) -> None:
        self._named: list[tuple[Any, ...]] = []
        self._unnamed: list[tuple[Any, ...]] = []

    @property
    def needs_lookup(self) -> bool:
        """Whether a row has to find its transaction."""
        return bool(self._unnamed)

    def add(self, record: MeterReadings) -> None:
        """Take the readings of one MeterValues."""
        transaction_id = record.transaction_id
        rows = self._named if transaction_id is not None and transaction_id > 0 else self._unnamed
        for reading in record.readings:
            rows.append(
                (
                    record.tenant_id,
                    record.charge_point_id,
                    record.connector_id,
                    transaction_id,
                    reading.sampled_at,
                    record.received_at,
                    "periodic",
                    json_text(reading.sampled_values),
                )
            )

    def add_stop(self, stop: TransactionStop, transaction_id: int, connector_id: int) -> None:
        """Take the transactionData of a StopTransaction. connector_id: 0 when no transaction tells it."""
        for reading in stop.transaction_data:
            self._named.append(
                (
                    stop.tenant_id,
                    stop.charge_point_id,
                    connector_id,
                    transaction_id,
                    reading.sampled_at,
                    stop.received_at,
                    "stop",
                    json_text(reading.sampled_values),
                )
            )

    async def write(self, connection: Connection) -> None:
        """Insert what was collected; what is there already stays as it is."""
        if self._named:
            await connection.execute(INSERT_METER_VALUES, *zip(*self._named, strict=True))
        if self._unnamed:
            await connection.execute(INSERT_METER_VALUES_LOOKING_UP, *zip(*self._unnamed, strict=True))
