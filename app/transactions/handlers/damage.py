"""Billing messages of which something could not be read: their text is kept next to what was recorded."""

import asyncio
from datetime import datetime
from typing import Any, Final

from app.answers import Payload, RecordHandler, Recording
from app.clock import Clock
from app.connection import Connection
from app.errors import CallFailed
from app.ocpp import Dispatch, Ignored
from app.transactions.ledger import Ledger
from app.transactions.records import DamagedRecord

LOSSES: Final = frozenset(
    {"damaged", "duplicate_field", "field_dropped", "item_dropped", "not_an_object", "not_utf8", "over_limit"}
)
"""Kinds of deviations with which something of a message is left out."""

_REGISTERS: Final = {"StartTransaction": "meterStart", "StopTransaction": "meterStop"}


def keeping_damage(ledger: Ledger, clock: Clock, handler: RecordHandler) -> RecordHandler:
    """Return a handler that also keeps the text of each message with a loss, before it is answered.

    A message over the limit whose register cannot be read is kept and refused: it tells no bill.
    """

    def handle(connection: Connection, call: Dispatch) -> Recording[Any, Payload]:
        kinds = {deviation.kind for deviation in call.deviations}
        if LOSSES.isdisjoint(kinds):
            return handler(connection, call)
        kept = ledger.keep_damaged(_damaged(clock, connection, call))
        register = _REGISTERS.get(call.action)
        if "over_limit" in kinds and register is not None and register not in call.payload:
            return Recording(kept, _refuse)
        recording = handler(connection, call)
        both = asyncio.gather(recording.future, kept)
        return Recording(both, lambda results: recording.answer_of(results[0]))

    return handle


def keep_unanswerable(
    ledger: Ledger, connection: Connection, frame: Ignored, received_at: datetime
) -> "asyncio.Future[None]":
    """Keep a frame that names a billing message, and has no message id that can be answered.

    Raises:
        StoreUnavailable, CallFailed: see `Ledger.keep_damaged`.
    """
    deviation = {"kind": frame.reason, "pointer": "", "raw": frame.detail}
    return ledger.keep_damaged(
        DamagedRecord(
            connection.tenant_id,
            connection.charge_point_id,
            frame.action or "",
            frame.text or "",
            [deviation],
            received_at,
        )
    )


def _damaged(clock: Clock, connection: Connection, call: Dispatch) -> DamagedRecord:
    deviations = [
        {"kind": deviation.kind, "pointer": deviation.pointer, "raw": deviation.raw}
        for deviation in call.deviations
    ]
    return DamagedRecord(
        connection.tenant_id,
        connection.charge_point_id,
        call.action,
        call.text or "",
        deviations,
        clock.now(),
        call.payload.get("transactionId"),
    )


def _refuse(_: None) -> Payload:
    raise CallFailed("FormationViolation", "The message is too large, and its register cannot be read.")
