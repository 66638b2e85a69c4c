"""StopTransaction (OCPP 1.6 4.10): cannot be refused; unknown, repeated and contradicting ones are kept."""

from functools import partial
from typing import cast

import orjson

from app.answers import Recording
from app.clock import Clock, microseconds_of
from app.connection import Connection
from app.ocpp import Dispatch, v16
from app.transactions.evidence import evidence_of
from app.transactions.external_starts import ExternalStarts
from app.transactions.handlers.meter_values import readings_of
from app.transactions.ledger import Ledger
from app.transactions.records import StopRecorded, TransactionStop
from app.transactions.rules.starts import METER_MISSING
from app.transactions.rules.times import reported_time
from app.types import Json


def handle(
    ledger: Ledger, starts: ExternalStarts, clock: Clock, connection: Connection, call: Dispatch
) -> Recording[StopRecorded, v16.StopTransactionResponse]:
    """Record the stop durably, then answer; `idTagInfo` only for a stop that named an id tag."""
    request = call.payload
    received_at = clock.now()
    zone = connection.habits.time_zone
    stopped_at, flags = reported_time(request.get("timestamp"), received_at, zone)
    if "meterStop" not in request:
        flags = (*flags, METER_MISSING)
    stop = TransactionStop(
        tenant_id=connection.tenant_id,
        charge_point_id=connection.charge_point_id,
        transaction_id=request.get("transactionId"),
        stopped_at=stopped_at,
        received_at=received_at,
        meter_stop_wh=request.get("meterStop"),
        id_tag=request.get("idTag"),
        reason=request.get("reason"),
        transaction_data=tuple(
            readings_of(request.get("transactionData", ()), microseconds_of(received_at), zone)
        ),
        flags=flags,
        raw=_raw(request),
        evidence=evidence_of(call),
        habits=connection.habits,
    )
    return Recording(starts.in_order(connection, partial(ledger.stop_transaction, stop)), _answer)


def _answer(recorded: StopRecorded) -> v16.StopTransactionResponse:
    if recorded.id_tag_info is None:
        return {}
    return {"idTagInfo": cast(v16.IdTagInfo, recorded.id_tag_info)}


def _raw(request: Json) -> Json:
    """Return the request as it came. Its samples are JSON text in the request."""
    raw: Json = dict(request)
    if "transactionData" in raw:
        raw["transactionData"] = [
            {**element, "sampledValue": orjson.Fragment(element["sampledValue"])}
            for element in raw["transactionData"]
            if "sampledValue" in element
        ]
    return raw
