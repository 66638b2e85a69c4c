"""MeterValues (OCPP 1.6 4.7): stored as they came, with or without a transaction. The hottest handler."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from app.csms.connection import Connection
from app.csms.handlers.context import HandlerContext, reported_time
from app.ocpp import v16
from app.store.entries import MeterReading, MeterReadings
from app.store.records import Json


async def handle(
    context: HandlerContext, connection: Connection, request: v16.MeterValuesRequest
) -> v16.MeterValuesResponse:
    """Record the readings durably, then answer."""
    received_at = connection.last_seen
    await context.database.ledger.meter_values(
        MeterReadings(
            connection.tenant_id,
            connection.charge_point_id,
            request["connectorId"],
            request.get("transactionId"),
            received_at,
            readings_of(request["meterValue"], received_at),
        )
    )
    return {}


def readings_of(meter_values: Sequence[v16.MeterValue], received_at: datetime) -> list[MeterReading]:
    """Turn `meterValue` or `transactionData` into readings; one with an unreadable time counts as new."""
    return [
        MeterReading(
            reported_time(element["timestamp"], received_at)[0],
            # The samples are stored untouched, whatever else a charge point has put into them.
            cast(list[Json], element["sampledValue"]),
        )
        for element in meter_values
    ]
