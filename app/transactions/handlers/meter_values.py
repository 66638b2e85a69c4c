"""MeterValues (OCPP 1.6 4.7): stored as they came, with or without a transaction. The hottest handler."""

from collections.abc import Sequence
from typing import cast

from app.answers import Recording
from app.clock import microseconds_of, parse_time
from app.connection import Connection
from app.ocpp import v16
from app.transactions.ledger import Ledger
from app.transactions.records import MeterReading, MeterReadings


def handle(
    ledger: Ledger, connection: Connection, request: v16.MeterValuesRequest
) -> Recording[None, v16.MeterValuesResponse]:
    """Record the readings durably, then answer."""
    received_at_us = connection.last_seen_us
    readings = MeterReadings(
        connection.tenant_id,
        connection.charge_point_id,
        request["connectorId"],
        request.get("transactionId"),
        received_at_us,
        readings_of(request["meterValue"], received_at_us),
    )
    return Recording(ledger.meter_values(readings), _answer)


def _answer(_: None) -> v16.MeterValuesResponse:
    return {}


def readings_of(meter_values: Sequence[v16.MeterValue], received_at_us: int) -> list[MeterReading]:
    """Return the readings of `meterValue` or `transactionData`, at their arrival if a time is unreadable."""
    return [_reading(element, received_at_us) for element in meter_values]


def _reading(element: v16.MeterValue, received_at_us: int) -> MeterReading:
    # The link gives samples as text: they are stored untouched, whatever else a charge point puts there.
    sampled_values = cast(str, element["sampledValue"])
    timestamp: object = element["timestamp"]
    moment = parse_time(timestamp) if isinstance(timestamp, str) else None
    if moment is None:
        return MeterReading(received_at_us, sampled_values, str(timestamp))
    return MeterReading(microseconds_of(moment), sampled_values)
