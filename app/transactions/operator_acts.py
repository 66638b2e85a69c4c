"""The acts of an operator, in the transaction of the ledger that records them."""

from app.audit.store import insert_entries
from app.database.prepared import Connection
from app.events.writer import insert_events
from app.transactions.records import OperatorEnd, OperatorOutcome, OrphanAttachment
from app.transactions.rules import attachments
from app.transactions.store import orphans, sessions, stops
from app.transactions.store.events import presumed_ended_event
from app.types import ChargePointKey


async def end_transaction(connection: Connection, act: OperatorEnd) -> OperatorOutcome:
    """Mark a transaction as ended by hand, unless its stop has come."""
    marked = await sessions.end_by_operator(connection, act)
    if marked is None:
        return "stopped"
    if act.meter_stop_wh is None:
        place = ChargePointKey(act.tenant_id, act.charge_point_id)
        await sessions.note_registers(connection, [marked], {place: act.habits})
    else:
        await insert_events(connection, [presumed_ended_event(marked, act.meter_stop_wh)])
    await insert_entries(connection, [act.entry])
    return "done"


async def attach_orphan(connection: Connection, act: OrphanAttachment) -> OperatorOutcome:
    """Attach an orphan record to a transaction; a stop ends it."""
    orphan = await orphans.lock_orphan(connection, act)
    if orphan is None:
        return "no_such_record"
    key = stops.TransactionName(act.tenant_id, act.charge_point_id, act.transaction_id)
    found = list((await stops.lock_transactions(connection, [key])).values())
    outcome, joined = attachments.attach(orphan, found[0] if found else None, act.habits)
    if outcome != "done":
        return outcome
    if joined is None:
        await orphans.set_transaction(connection, act)
    else:
        await stops.close_transactions(connection, [joined.closing])
        await orphans.join_stops(connection, [joined])
    await insert_entries(connection, [act.entry])
    return outcome
