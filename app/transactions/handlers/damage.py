"""Billing messages of which something could not be read: their text is kept next to what was recorded."""

import asyncio
from typing import Any, Final

from app.answers import Payload, RecordHandler, Recording
from app.clock import Clock
from app.connection import Connection
from app.ocpp import Dispatch
from app.transactions.ledger import Ledger
from app.transactions.records import DamagedRecord

LOSSES: Final = frozenset(
    {"damaged", "duplicate_field", "field_dropped", "item_dropped", "not_an_object", "not_utf8"}
)
"""Kinds of deviations with which something of a message is left out."""


def keeping_damage(ledger: Ledger, clock: Clock, handler: RecordHandler) -> RecordHandler:
    """Return a handler that also keeps the text of each message with a loss, before it is answered."""

    def handle(connection: Connection, call: Dispatch) -> Recording[Any, Payload]:
        recording = handler(connection, call)
        if LOSSES.isdisjoint(deviation.kind for deviation in call.deviations):
            return recording
        record = DamagedRecord(
            connection.tenant_id, connection.charge_point_id, call.action, call.text or "", clock.now()
        )
        both = asyncio.gather(recording.future, ledger.keep_damaged(record))
        return Recording(both, lambda results: recording.answer_of(results[0]))

    return handle
