"""The events of transactions: what each change of a row tells the consumers of events."""

from datetime import datetime
from typing import NamedTuple

from app.events.payloads import (
    TransactionEndedEvent,
    TransactionPresumedEndedEvent,
    TransactionStartedEvent,
    TransactionUpdatedEvent,
)
from app.events.records import NewEvent
from app.transactions.records import Closing, JudgedStart
from app.transactions.rules.registers import energy_of
from app.types import ChargePointKey


class Updated(NamedTuple):
    """A transaction that got its register after its end. flags: all that it has now."""

    tenant_id: int
    charge_point_id: int
    id: int
    meter_start_wh: int | None
    meter_stop_wh: int | None
    flags: list[str]


class PresumedEnded(NamedTuple):
    """A transaction that was marked as over."""

    tenant_id: int
    id: int
    charge_point_id: int
    started_at: datetime
    meter_start_wh: int | None
    connector_id: int
    reason: str
    at: datetime


def started_text(judged: JudgedStart, transaction_id: int, command_id: object) -> str:
    """Return the payload of the event of a new transaction."""
    start = judged.start
    return TransactionStartedEvent.model_validate(
        {
            "id": transaction_id,
            "connector_id": start.connector_id,
            "id_tag": judged.id_tag,
            "started_at": start.started_at,
            "started_received_at": start.received_at,
            "meter_start_wh": start.meter_start_wh,
            "reservation_id": start.reservation_id,
            "id_tag_info": judged.id_tag_info,
            "flags": judged.flags,
            "remote_start_command_id": command_id,
        }
    ).text()


def ended_text(closing: Closing) -> str:
    """Return the payload of the event of a transaction that a stop has closed."""
    transaction, ending = closing.transaction, closing.ending
    return TransactionEndedEvent(
        id=transaction.id,
        connector_id=transaction.connector_id,
        started_at=transaction.started_at,
        meter_start_wh=transaction.meter_start_wh,
        stopped_at=ending.stopped_at,
        stopped_received_at=closing.received_at,
        meter_stop_wh=ending.meter_stop_wh,
        energy_wh=energy_of(transaction.meter_start_wh, ending.meter_stop_wh),
        stop_reason=ending.reason,
        stop_id_tag=ending.id_tag,
        flags=list(dict.fromkeys((*transaction.flags, *closing.flags))),
    ).text()


def updated_event(updated: Updated, at: datetime) -> NewEvent:
    """Return the event of a register that came after the end. at: when it came."""
    return TransactionUpdatedEvent(
        id=updated.id,
        meter_stop_wh=updated.meter_stop_wh,
        energy_wh=energy_of(updated.meter_start_wh, updated.meter_stop_wh),
        flags=list(dict.fromkeys(updated.flags)),
    ).of(ChargePointKey(updated.tenant_id, updated.charge_point_id), at)


def presumed_ended_event(marked: PresumedEnded, last_meter_wh: int | None) -> NewEvent:
    """Return the event of a transaction that is over although its stop has not come."""
    return TransactionPresumedEndedEvent.model_validate(
        {
            "id": marked.id,
            "connector_id": marked.connector_id,
            "started_at": marked.started_at,
            "presumed_ended_at": marked.at,
            "presumed_ended_reason": marked.reason,
            "last_meter_wh": last_meter_wh,
        }
    ).of(ChargePointKey(marked.tenant_id, marked.charge_point_id), marked.at)
