"""The steps of a batch that mark transactions as presumed ended: something showed that they are over."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from app.database.prepared import Connection
from app.events.writer import insert_events
from app.quirks.records import NO_HABITS, Habits
from app.transactions.records import OperatorEnd, SessionsOver, TransactionKey, TransactionStart
from app.transactions.rules.registers import register_of
from app.transactions.store.events import PresumedEnded, presumed_ended_event
from app.transactions.store.meter_values import samples_text
from app.types import ChargePointKey

# `kept`: the transaction that a start has just made. What started after the sign is not over, whichever is
# written first: they may be in one batch, or in those of two workers.
_PRESUME_ENDED: Final = """
    update transactions set presumed_ended_at = over.at, presumed_ended_reason = over.reason
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::text[], $6::timestamptz[])
        as over (tenant_id, charge_point_id, connector_id, kept, reason, at),
        lateral (
            select tenant_id, id from transactions
            where tenant_id = over.tenant_id and charge_point_id = over.charge_point_id
                and stopped_received_at is null and presumed_ended_at is null
                and (over.connector_id is null or connector_id = over.connector_id)
                and (started_received_at, id) < (over.at, coalesce(over.kept, 2147483647))
            offset 0
        ) as open
    where transactions.tenant_id = open.tenant_id and transactions.id = open.id
        and transactions.stopped_received_at is null and transactions.presumed_ended_at is null
    returning transactions.tenant_id, transactions.id, transactions.charge_point_id, transactions.started_at,
        transactions.meter_start_wh, transactions.connector_id, over.reason, over.at
"""

_END_BY_OPERATOR: Final = """
    update transactions set presumed_ended_at = $3, presumed_ended_reason = 'operator',
        last_meter_wh = coalesce($4::bigint, last_meter_wh)
    where tenant_id = $1 and id = $2 and stopped_received_at is null
    returning tenant_id, id, charge_point_id, started_at, meter_start_wh, connector_id, presumed_ended_reason,
        presumed_ended_at
"""

_LAST_SAMPLES: Final = """
    select asked.tenant_id, asked.id, last.packed_values, last.sampled_values
    from unnest($1::bigint[], $2::int[], $3::bigint[], $4::timestamptz[])
        as asked (tenant_id, id, charge_point_id, started_at)
    cross join lateral (
        select packed_values, sampled_values from meter_values
        where tenant_id = asked.tenant_id and charge_point_id = asked.charge_point_id
            and sampled_at >= asked.started_at and transaction_id = asked.id
        order by sampled_at desc limit 1
    ) as last
"""

_SET_REGISTERS: Final = """
    update transactions set last_meter_wh = new.register_wh
    from unnest($1::bigint[], $2::int[], $3::bigint[]) as new (tenant_id, id, register_wh)
    where transactions.tenant_id = new.tenant_id and transactions.id = new.id
"""


class Over(NamedTuple):
    """A sign that transactions are over: all of a connector, or of the charge point, but `kept`.

    habits: of the charge point.
    """

    tenant_id: int
    charge_point_id: int
    connector_id: int | None
    kept: int | None
    reason: str
    at: datetime
    habits: Habits = NO_HABITS


def over_of(record: SessionsOver) -> Over:
    """Return what a record shows."""
    return Over(
        record.tenant_id,
        record.charge_point_id,
        record.connector_id,
        None,
        record.reason,
        record.received_at,
        record.habits,
    )


def over_by_start(started: TransactionKey, start: TransactionStart) -> Over:
    """Return what a new transaction shows: a connector carries one at a time."""
    return Over(
        start.tenant_id,
        start.charge_point_id,
        start.connector_id,
        started.id,
        "later_start",
        start.received_at,
        start.habits,
    )


async def presume_ended(connection: Connection, over: Sequence[Over]) -> list[PresumedEnded]:
    """Mark the open transactions that are over, and return them."""
    rows = await connection.fetch(_PRESUME_ENDED, *zip(*(item[:-1] for item in over), strict=True))
    return [PresumedEnded(*row.values()) for row in rows]


async def end_by_operator(connection: Connection, act: OperatorEnd) -> PresumedEnded | None:
    """Mark a transaction as ended by hand; None: its stop has come."""
    row = await connection.fetchrow(
        _END_BY_OPERATOR, act.tenant_id, act.transaction_id, act.received_at, act.meter_stop_wh
    )
    return None if row is None else PresumedEnded(*row.values())


async def note_registers(
    connection: Connection, marked: Sequence[PresumedEnded], habits: Mapping[ChargePointKey, Habits]
) -> None:
    """Write the last register that the samples of marked transactions show, and their events.

    habits: of their charge points, those without any may be missing.
    """
    samples = await _last_samples(connection, marked)
    registers = []
    for item in marked:
        shown = samples.get(TransactionKey(item.tenant_id, item.id))
        own = habits.get(ChargePointKey(item.tenant_id, item.charge_point_id), NO_HABITS)
        register = None if shown is None else register_of(shown, own)
        last_wh = item.meter_start_wh if register is None else register
        if last_wh is not None:
            registers.append((item.tenant_id, item.id, last_wh))
    if registers:
        await connection.execute(_SET_REGISTERS, *zip(*registers, strict=True))
    last_meter_wh = {(tenant_id, number): register for tenant_id, number, register in registers}
    await insert_events(
        connection,
        [presumed_ended_event(item, last_meter_wh.get((item.tenant_id, item.id))) for item in marked],
    )


async def _last_samples(
    connection: Connection, transactions: Sequence[PresumedEnded]
) -> dict[TransactionKey, str]:
    """Return the last `sampledValue` of transactions as JSON text."""
    keys = [(item.tenant_id, item.id, item.charge_point_id, item.started_at) for item in transactions]
    rows = await connection.fetch(_LAST_SAMPLES, *zip(*keys, strict=True))
    return {TransactionKey(tenant_id, id_): samples_text(*stored) for tenant_id, id_, *stored in rows}
