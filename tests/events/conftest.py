"""Reads the events of a tenant, once they have their positions."""

from typing import Any

import jsonschema
import orjson
import pytest

from app.events.payloads import event_types
from app.events.reader import EventReader
from app.events.records import StoredEvent
from app.events.signals import EventSignals
from app.storage import Storage
from app.types import TenantId
from tests.support.store import ChargePointRecords


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
