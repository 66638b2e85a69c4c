"""Old events are dropped by the day, and a reader that has missed some of them is told."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.clock import Clock
from app.errors import EventsExpired
from app.events import sequencer as sequencer_module
from app.events.reader import EventReader
from app.events.rules import SPACING
from app.events.sequencer import Sequencer
from app.events.store import drop_events, number_events
from app.events.writer import add_events
from app.settings import Settings
from app.tenants.store import TenantStore
from app.types import TenantId
from tests.events.conftest import event, late_events, number_as_before, own, read_numbers
from tests.support.store import ChargePointRecords


async def tenant_with_events(records: ChargePointRecords, slug: str) -> TenantId:
    """Make a tenant with two events."""
    async with records.database.platform() as work:
        tenant = await TenantStore(work).create(slug, slug)
    async with records.database.tenant(tenant.id) as work:
        await add_events(work, [event(records, 3)._replace(tenant_id=tenant.id) for _ in range(2)])
    return TenantId(tenant.id)


async def test_a_cursor_older_than_what_is_kept_is_refused(
    quiet: None, records: ChargePointRecords, reader: EventReader, connect: Any
) -> None:
    connection = await connect()
    # One tenant has events that were numbered before positions were made of ids, one has no late ones.
    of_before = await tenant_with_events(records, "of-before")
    await number_as_before(connection, of_before)
    in_order = await tenant_with_events(records, "in-order")
    await late_events(connect, records, [1, 2])
    await number_events(connection)
    page = await reader.read(own(records), 0, 10)
    of_others = {tenant: (await reader.read(tenant, 0, 10)).events for tenant in (of_before, in_order)}
    first, second = (found.position for found in page.events)
    assert await drop_events(connection, datetime.now(UTC) - timedelta(days=1)) == 0
    assert await drop_events(connection, datetime.now(UTC) + timedelta(days=2)) >= 1
    with pytest.raises(EventsExpired):
        await reader.read(own(records), first, 10)
    assert await reader.read(own(records), second, 10) == ([], second, False)
    for tenant, (before, last) in of_others.items():
        with pytest.raises(EventsExpired):
            await reader.read(tenant, before.position, 10)
        assert await reader.read(tenant, last.position, 10) == ([], last.position, False)
    # That of a late event: the floor is behind it, too.
    assert second % SPACING
    assert await reader.newest(own(records)) == second
    assert await connection.fetchval("select count(*) from late_events") == 0


async def test_a_failure_to_drop_is_named_and_the_numbering_goes_on(
    quiet: None,
    records: ChargePointRecords,
    reader: EventReader,
    settings: Settings,
    database_url: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sequencer = Sequencer(database_url, settings, clock)
    tried = asyncio.Event()

    async def failing() -> int:
        tried.set()
        raise OSError("no way")

    monkeypatch.setattr(sequencer_module, "_PURGE_INTERVAL_S", 0.0)
    monkeypatch.setattr(sequencer, "purge", failing)
    with capture_logs() as logs:
        sequencer.start()
        await tried.wait()
        async with records.database.tenant(records.tenant.id) as work:
            await add_events(work, [event(records, 1)])
        await sequencer.close()
    assert {(log["event"], log["error"]) for log in logs} == {("old_events_not_dropped", "OSError: no way")}
    assert await read_numbers(reader, records.tenant) == [1]
