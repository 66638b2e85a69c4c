"""StartTransaction (OCPP 1.6 4.8): always recorded, always answered with an id; the status is advice.

A replayed start (offline queue, retry with the same or a new message id) gets the stored answer. Whatever is
missing in it is flagged.
"""

from typing import cast

from app.answers import Recording
from app.clock import Clock
from app.connection import Connection
from app.ocpp import Dispatch, v16
from app.transactions.evidence import evidence_of
from app.transactions.external_starts import ExternalStarts
from app.transactions.records import TransactionStart, TransactionStarted
from app.transactions.rules.starts import missing_flags
from app.transactions.rules.times import reported_time


def handle(
    starts: ExternalStarts, clock: Clock, connection: Connection, call: Dispatch
) -> Recording[TransactionStarted, v16.StartTransactionResponse]:
    """Record the start durably, then answer."""
    request = call.payload
    received_at = clock.now()
    started_at, flags = reported_time(request.get("timestamp"), received_at, connection.habits.time_zone)
    start = TransactionStart(
        tenant_id=connection.tenant_id,
        charge_point_id=connection.charge_point_id,
        connector_id=request.get("connectorId", 0),
        id_tag=request.get("idTag", ""),
        started_at=started_at,
        received_at=received_at,
        meter_start_wh=request.get("meterStart"),
        reservation_id=request.get("reservationId"),
        flags=(*flags, *missing_flags(request)),
        raw=dict(request),
        epoch=connection.epoch,
        message_id=call.unique_id,
        evidence=evidence_of(call),
        habits=connection.habits,
    )
    return Recording(starts.start_transaction(connection, start), _answer)


def _answer(started: TransactionStarted) -> v16.StartTransactionResponse:
    return {
        "transactionId": started.transaction_id,
        "idTagInfo": cast(v16.IdTagInfo, started.id_tag_info),
    }
