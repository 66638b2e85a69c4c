"""Writes events in the transaction of the change that they tell of.

- In a unit of work: `add_events`.
- In a batch on a connection of asyncpg: `insert_events`; the caller wakes the sequencer after the commit.
- In the statement that makes the change: `event_insert`, without a round trip of its own.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import text

from app.database.prepared import Connection
from app.database.unit_of_work import PlatformWork, TenantWork
from app.events.payloads import Payload
from app.events.records import NewEvent

_COLUMNS: Final = "type, version, tenant_id, charge_point_id, occurred_at, data"
_TYPES: Final = ("text", "smallint", "bigint", "bigint", "timestamptz", "json")


def _insert(arrays: Iterable[str]) -> str:
    return (
        f"insert into events ({_COLUMNS}) select type, version, tenant_id, charge_point_id, occurred_at,"  # noqa: S608
        f" data::json from unnest({', '.join(arrays)}) with ordinality"
        f" as new ({_COLUMNS}, place) order by place"
    )


_ARRAYS: Final = tuple("text" if kind == "json" else kind for kind in _TYPES)
_INSERT: Final = _insert(f"${number}::{kind}[]" for number, kind in enumerate(_ARRAYS, 1))
_NAMES: Final = NewEvent._fields
_INSERT_IN_WORK: Final = text(
    _insert(f"cast(:{name} as {kind}[])" for name, kind in zip(_NAMES, _ARRAYS, strict=True))
)


def event_insert(payload: type[Payload], source: str) -> str:
    """Return the SQL that writes an event for each row of a query. It may be a part of another statement.

    Args:
        payload: The kind of the events.
        source: SQL of constants; its columns are tenant_id, charge_point_id, occurred_at and data, which has
            the fields of the payload and the type `json`.
    """
    return (
        f"insert into events ({_COLUMNS})"  # noqa: S608
        f" select '{payload.type}', {payload.version}, tenant_id, charge_point_id, occurred_at, data"
        f" from ({source}) as changed"
    )


def packed_insert(payload: type[Payload], batches: Iterable[tuple[int, bytes]]) -> str:
    """Return a statement without parameters that writes batches.

    batches: tenants, each with its readings in the form that `packed` reads.
    """
    rows = ", ".join(
        f"('{payload.type}', {payload.version}, {tenant_id:d}, now(), '\\x{packed.hex()}'::bytea)"
        for tenant_id, packed in batches
    )
    return f"insert into events (type, version, tenant_id, occurred_at, packed) values {rows}"  # noqa: S608


def packed_event_insert(payload: type[Payload], source: str) -> str:
    """Return the SQL that writes one batch for each tenant of the readings of a query.

    source: SQL of constants; its columns are tenant_id, charge_point_id, connector_id, transaction_id and
    sampled_at.
    """
    return f"""
        insert into events (type, version, tenant_id, occurred_at, packed)
        select '{payload.type}', {payload.version}, tenant_id, now(), convert_to(jsonb_agg(jsonb_build_array(
                charge_point_id, connector_id, transaction_id,
                floor(extract(epoch from sampled_at) * 1000)::bigint
            ) order by charge_point_id, sampled_at)::text, 'UTF8')
        from ({source}) as recorded group by tenant_id
    """  # noqa: S608


async def add_events(work: TenantWork | PlatformWork, events: Sequence[NewEvent]) -> None:
    """Write events in a unit of work. They are numbered after its commit.

    Raises:
        ValueError: an event belongs to another tenant than the unit of work.
    """
    if not events:
        return
    if isinstance(work, TenantWork) and any(event.tenant_id != work.tenant_id for event in events):
        raise ValueError("an event of another tenant")
    columns = dict(zip(_NAMES, map(list, zip(*events, strict=True)), strict=True))
    await work.connection.execute(_INSERT_IN_WORK, columns)
    work.outbox.has_events = True


async def insert_events(connection: Connection, events: Sequence[NewEvent]) -> None:
    """Write events in a transaction of asyncpg. Wake the sequencer after its commit."""
    if events:
        await connection.execute(_INSERT, *zip(*events, strict=True))
