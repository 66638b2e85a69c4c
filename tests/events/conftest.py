"""Reads the events of a tenant, once they have their positions."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import jsonschema
import orjson
import pytest

from app.events.payloads import ConnectorStatusChangedEvent, event_types
from app.events.reader import EventReader
from app.events.records import NewEvent, StoredEvent
from app.events.signals import EventSignals
from app.events.store import number_events
from app.events.writer import add_events, insert_events
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.types import ChargePointKey, TenantId
from tests.support.store import NOW, ChargePointRecords


class Told:
    """The events of the tenant of a test."""

    def __init__(self, storage: Storage, reader: EventReader, tenant_id: int) -> None:
        self._storage = storage
        self.reader = reader
        self.tenant_id = TenantId(tenant_id)

    async def all(self) -> list[StoredEvent]:
        """Return all events. Those that are committed have their positions then."""
        # The background task of the storage may be numbering: then the next try has them all.
        while not await self._storage.sequencer.number():
            pass
        return (await self.reader.read(self.tenant_id, 0, 1000)).events

    async def payloads(self, kind: str) -> list[dict[str, Any]]:
        """Return the payloads of one type."""
        return [orjson.loads(event.data) for event in await self.all() if event.type == kind]


def checked(event: StoredEvent) -> dict[str, Any]:
    """Return the payload of an event, which must fit the schema of its type."""
    payload = event_types()[event.type]
    schema = {**payload.model_json_schema(mode="serialization"), "additionalProperties": False}
    data: dict[str, Any] = orjson.loads(event.data)
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(data)
    payload.model_validate(data)
    return data


async def payloads(told: Told, *kinds: str) -> list[dict[str, Any]]:
    return [checked(event) for event in await told.all() if event.type in kinds]


@pytest.fixture
def reader(storage: Storage, redis: Any) -> EventReader:
    return EventReader(storage.database.reads, EventSignals(redis))


@pytest.fixture
async def told(storage: Storage, reader: EventReader, records: ChargePointRecords) -> Told:
    return Told(storage, reader, records.tenant.id)


def status(connector_id: int) -> ConnectorStatusChangedEvent:
    return ConnectorStatusChangedEvent(
        **{**ConnectorStatusChangedEvent.example, "connector_id": connector_id}
    )


def own(records: ChargePointRecords) -> TenantId:
    return TenantId(records.tenant.id)


def event(records: ChargePointRecords, number: int) -> NewEvent:
    return status(number).of(ChargePointKey(records.tenant.id, records.record.id), NOW)


@pytest.fixture
async def quiet(storage: Storage) -> AsyncIterator[None]:
    """Stop the sequencer of the shared storage, so that the test numbers."""
    await storage.sequencer.close()
    yield
    storage.sequencer.start()


@pytest.fixture
async def connect(database_url: str) -> AsyncIterator[Any]:
    """Open connections that end with the test."""
    opened: list[asyncpg.Connection[Any]] = []

    async def open_one() -> "asyncpg.Connection[Any]":
        opened.append(await asyncpg.connect(database_url))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.terminate()


async def read_numbers(reader: EventReader, tenant: TenantRecord, after: int = 0) -> list[int]:
    page = await reader.read(TenantId(tenant.id), after, 1000)
    return [int(found.data.split('"connector_id":')[1].split(",")[0]) for found in page.events]


async def late_events(connection: Any, records: ChargePointRecords, numbers: list[int]) -> None:
    """Commit events after one with a higher id, the last one, was numbered."""
    slow = await connection()
    transaction = slow.transaction()
    await transaction.start()
    await insert_events(slow, [event(records, number) for number in numbers[:-1]])
    async with records.database.tenant(records.tenant.id) as work:
        await add_events(work, [event(records, numbers[-1])])
    await number_events(await connection())
    await transaction.commit()


async def number_as_before(connection: Any, tenant_id: int) -> None:
    """Give the events of a tenant the positions from 1 on, as before they were made of ids."""
    await connection.execute(
        "update events set position = id - (select min(id) from events where tenant_id = $1) + 1"
        " where tenant_id = $1",
        tenant_id,
    )
    await connection.execute("update event_numbering set first_id = (select max(id) from events) + 1")
