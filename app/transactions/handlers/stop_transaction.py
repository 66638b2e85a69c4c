"""StopTransaction (OCPP 1.6 4.10): cannot be refused; unknown, repeated and contradicting ones are kept."""

from typing import cast

import orjson

from app.clock import microseconds_of
from app.connection import Connection
from app.handler_context import HandlerContext, reported_time
from app.ocpp import v16
from app.transactions.handlers.meter_values import readings_of
from app.transactions.records import TransactionStop
from app.types import Json


async def handle(
    context: HandlerContext, connection: Connection, request: v16.StopTransactionRequest
) -> v16.StopTransactionResponse:
    """Record the stop durably, then answer; `idTagInfo` only for a stop that named an id tag."""
    received_at = context.clock.now()
    stopped_at, flags = reported_time(request["timestamp"], received_at)
    samples = request.get("transactionData", [])
    recorded = await context.ledger.stop_transaction(
        TransactionStop(
            tenant_id=connection.tenant_id,
            charge_point_id=connection.charge_point_id,
            transaction_id=request["transactionId"],
            stopped_at=stopped_at,
            received_at=received_at,
            meter_stop_wh=request["meterStop"],
            id_tag=request.get("idTag"),
            reason=request.get("reason"),
            transaction_data=tuple(readings_of(samples, microseconds_of(received_at))),
            flags=flags,
            raw=_raw(request),
        )
    )
    if recorded.id_tag_info is None:
        return {}
    return {"idTagInfo": cast(v16.IdTagInfo, recorded.id_tag_info)}


def _raw(request: v16.StopTransactionRequest) -> Json:
    """The request as it came; the link gives its samples as JSON text."""
    raw: Json = dict(request)
    if "transactionData" in raw:
        raw["transactionData"] = [
            {**element, "sampledValue": orjson.Fragment(element["sampledValue"])}
            for element in raw["transactionData"]
        ]
    return raw
