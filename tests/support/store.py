"""A charge point and records with sensible fields, for tests of stores."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.charge_points.records import ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.clock import Clock, microseconds_of
from app.commands.records import CommandRecord
from app.database.database import Database
from app.database.roles import Roles
from app.database.text import json_text
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.local_lists.records import LocalListRecord
from app.reservations.records import NewReservation
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.transactions.ledger import Ledger
from app.transactions.records import MeterReading, MeterReadings, TransactionStart, TransactionStop
from app.transactions.store.reading import TransactionStore
from app.types import Json

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def local_list(name: str, at: datetime, **changes: Any) -> LocalListRecord:
    """Make a local authorization list. Fields that do not matter are filled in."""
    fields: dict[str, Any] = {
        "note": None,
        "enabled": True,
        "all_id_tags": True,
        "groups": (),
        "id_tags": (),
        "selector": {},
        "created_at": at,
        "updated_at": at,
    }
    return LocalListRecord(name=name, **(fields | changes))


def new_reservation(charge_point_id: int, id_tag: str, at: datetime) -> NewReservation:
    """Make a reservation that nothing was sent for yet, for an hour."""
    return NewReservation(charge_point_id, 1, 1, id_tag, None, at + timedelta(hours=1), at, "test")


def reading(at: datetime, sampled_values: list[Any]) -> MeterReading:
    """Make a reading as the link does: samples are JSON text."""
    return MeterReading(microseconds_of(at), json_text(sampled_values))


@dataclass(frozen=True)
class ChargePointRecords:
    """One charge point, and how to make its records."""

    storage: Storage
    tenant: TenantRecord
    record: ChargePointRecord

    @property
    def database(self) -> Database:
        return self.storage.database

    @property
    def place(self) -> dict[str, Any]:
        return {"tenant_id": self.tenant.id, "charge_point_id": self.record.id}

    def start(self, **changes: Any) -> TransactionStart:
        fields: dict[str, Any] = {
            "connector_id": 1,
            "id_tag": "TAG-1",
            "started_at": NOW,
            "received_at": NOW + timedelta(seconds=1),
            "meter_start_wh": 1000,
        }
        return TransactionStart(**self.place, **(fields | changes))

    def stop(self, transaction_id: int | None, **changes: Any) -> TransactionStop:
        fields: dict[str, Any] = {
            "stopped_at": NOW + timedelta(hours=1),
            "received_at": NOW + timedelta(hours=1, seconds=1),
            "meter_stop_wh": 9000,
            "raw": {"transactionId": transaction_id, "meterStop": 9000},
        }
        return TransactionStop(**self.place, transaction_id=transaction_id, **(fields | changes))

    def readings(self, *values: str, transaction_id: int | None = None, **changes: Any) -> MeterReadings:
        readings = [
            reading(NOW + timedelta(minutes=number), [{"value": value}])
            for number, value in enumerate(values, 1)
        ]
        fields: dict[str, Any] = {
            "connector_id": 1,
            "received_at_us": microseconds_of(NOW),
            "readings": readings,
        }
        return MeterReadings(**self.place, transaction_id=transaction_id, **(fields | changes))

    async def values_of(self, transaction_id: int) -> list[Json]:
        async with self.database.tenant(self.tenant.id) as work:
            transaction = await TransactionStore(work).get(transaction_id)
            assert transaction is not None
            rows = await TransactionStore(work).meter_values(transaction, 1000)
        return [sampled for row in rows for sampled in row.sampled_values]


def make_command(records: ChargePointRecords, **changes: Any) -> CommandRecord:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "identity": records.record.identity,
        "action": "Reset",
        "payload": {"type": "Soft"},
        "state": "queued",
        "created_at": NOW,
        "deadline_at": NOW + timedelta(seconds=60),
        "timeout_s": 30.0,
        "issued_by": "test",
    }
    return CommandRecord(**records.place, **(fields | changes))


RecordsMaker = Callable[[str], Awaitable[ChargePointRecords]]


@pytest.fixture
def make_records(storage: Storage, tenant: TenantRecord) -> RecordsMaker:
    async def make(identity: str) -> ChargePointRecords:
        async with storage.database.tenant(tenant.id) as work:
            record = await ChargePointStore(work).create(identity)
        return ChargePointRecords(storage, tenant, record)

    return make


@pytest.fixture
async def records(make_records: RecordsMaker, database: Database, tenant: TenantRecord) -> ChargePointRecords:
    """Create a charge point, and the accepted tag TAG-1."""
    async with database.tenant(tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("TAG-1"))
    return await make_records("CP-1")


@pytest.fixture
async def second_ledger(database_url: str, settings: Settings, clock: Clock) -> AsyncIterator[Ledger]:
    """Start the ledger of another worker on the same database."""
    ledger = Ledger(database_url, settings=settings, clock=clock, roles=Roles(ledger=True))
    ledger.start()
    yield ledger
    await ledger.close()
