"""MeterValues (OCPP 1.6 4.7): stored as they came, with or without a transaction. The hottest handler."""

from collections.abc import Iterable
from datetime import UTC, tzinfo
from functools import partial

from app.answers import Recording
from app.clock import microseconds_of, moment_of
from app.connection import Connection
from app.ocpp import Dispatch, v16
from app.transactions.external_starts import ExternalStarts
from app.transactions.ledger import Ledger
from app.transactions.records import MeterReading, MeterReadings
from app.transactions.rules.times import reported_time
from app.types import Json


def handle(
    ledger: Ledger, starts: ExternalStarts, connection: Connection, call: Dispatch
) -> Recording[None, v16.MeterValuesResponse]:
    """Record the readings durably, then answer."""
    request = call.payload
    received_at_us = connection.last_seen_us
    readings = MeterReadings(
        connection.tenant_id,
        connection.charge_point_id,
        request.get("connectorId", 0),
        request.get("transactionId"),
        received_at_us,
        readings_of(request.get("meterValue", ()), received_at_us, connection.habits.time_zone),
    )
    # A sample without transactionId belongs to a start that is stored before it.
    return Recording(starts.in_order(connection, partial(ledger.meter_values, readings)), _answer)


def _answer(_: None) -> v16.MeterValuesResponse:
    return {}


def readings_of(meter_values: Iterable[Json], received_at_us: int, zone: tzinfo = UTC) -> list[MeterReading]:
    """Return the readings of `meterValue` or `transactionData`.

    One whose time says nothing is dated by its arrival, one without samples is left out. zone: of a time that
    names none.
    """
    return [_reading(element, received_at_us, zone) for element in meter_values if "sampledValue" in element]


def _reading(element: Json, received_at_us: int, zone: tzinfo) -> MeterReading:
    # The link gives samples as text: they are stored untouched, whatever else a charge point puts there.
    sampled_values: str = element["sampledValue"]
    timestamp: str | None = element.get("timestamp")
    moment, flags = reported_time(timestamp, moment_of(received_at_us), zone)
    if flags:
        return MeterReading(received_at_us, sampled_values, timestamp or "")
    return MeterReading(microseconds_of(moment), sampled_values)
