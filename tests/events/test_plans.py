"""A page of events, and the newest position, touch few blocks, whatever the past of all tenants."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import pytest
from sqlalchemy import text

from app.database.prepared import Prepared
from app.database.statements import Statement
from app.events.records import EventFilter
from app.events.rules import SPACING
from app.events.store import _NOTE_FLOORS, EventReads
from app.storage import Storage
from app.types import TenantId
from tests.support.store import ChargePointRecords

pytestmark = pytest.mark.slow

PAST = 60_000
"""Events of each of two tenants, in turns, as they are now. There are as many of before migration 0087."""
_GENERATE = """
    insert into events (tenant_id, position, type, version, occurred_at, data)
    select case number % 2 when 0 then $1::bigint else -1 end, case when $3 then number end,
        'charge_point.booted', 1, now(), '{}'
    from generate_series(1, $2::int * 2) as number
"""
_BEGIN = """
    update event_numbering set first_id = last.id + 1, last_id = last.id, last_position = last.id * $1
    from (select nextval('event_ids') as id) as last
"""
# Ids of transactions that were rolled back, between those of the events that are read.
_MAKE_GAPS = """
    with gone as (delete from events where tenant_id = -1 and position is null and id % 40 < 2 returning id)
    insert into missing_event_ids (first_id, last_id, noted_at, next_transaction)
    select id, id, now(), 0 from gone
"""


class _Explained:
    """In the place of the reads: keeps how many blocks a statement touched."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self.blocks = 0

    def of(self, tenant_id: TenantId) -> Any:
        return self.run

    async def run(self, statement: Any, values: Any) -> list[Any]:
        arguments = [values.get(name) for name in statement.names]
        [row] = await self._connection.fetch(
            f"explain (analyze, buffers, format json) {statement.text}", *arguments
        )
        plan = json.loads(row[0])[0]["Plan"]
        self.blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return [{"position": 0}]


async def _blocks_of_floors(connection: "asyncpg.Connection[Any]") -> int:
    """Return how many blocks it takes to note up to where events are dropped. Nothing is noted."""
    transaction = connection.transaction()
    await transaction.start()
    explained = _Explained(connection)
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    await explained.run(Statement(text(_NOTE_FLOORS.replace("$1", ":until"))), {"until": tomorrow})
    await transaction.rollback()
    return explained.blocks


async def test_a_page_behind_any_position_touches_few_blocks(
    records: ChargePointRecords, storage: Storage, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(_GENERATE, records.tenant.id, PAST, True)
    await connection.execute(_BEGIN, SPACING)
    await connection.execute("analyze events")
    explained = _Explained(connection)
    reads = EventReads(cast(Prepared, explained), TenantId(records.tenant.id))
    # No event since the migration: the newest one is of the past.
    await reads.newest()
    blocks = [explained.blocks]
    await connection.execute(_GENERATE, records.tenant.id, PAST, False)
    await connection.execute("analyze events")
    while not await storage.sequencer.number():
        pass
    await connection.execute(_MAKE_GAPS)
    newest = await connection.fetchval("select last_position from event_numbering")
    first = await connection.fetchval("select first_id * $1 from event_numbering", SPACING)
    # At the start, within the past, at its end, where positions begin to be made of ids, then among these.
    for after in (0, PAST, 2 * PAST, first - 1, (first + newest) // 2, newest):
        await reads.page(after, 100, EventFilter())
        blocks.append(explained.blocks)
    await reads.newest()
    blocks.append(explained.blocks)
    blocks.append(await _blocks_of_floors(connection))
    assert await connection.fetchval("select count(*) from missing_event_ids") >= 3000
    await connection.execute("delete from missing_event_ids")
    await connection.execute("delete from events where tenant_id in (-1, $1)", records.tenant.id)
    await connection.close()
    # Each event of the page, and the two places where it could be said to be late or missing.
    assert all(one < 1000 for one in blocks), blocks
