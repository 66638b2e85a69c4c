"""Runs the whole server in a thread with a real socket, for clients that are not ours."""

import asyncio
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import uvicorn

from app.charge_points.records import StatusReport
from app.charge_points.store import ChargePointStore
from app.clock import SystemClock, microseconds_of
from app.commands.records import CommandRecord
from app.configuration.store import DesiredStore
from app.database.database import Database
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.local_lists.store import LocalListStore
from app.main import create_app
from app.quirks.records import QuirkProfileRecord, StatedHabits
from app.quirks.store import QuirkProfileStore
from app.reservations.store import ReservationStore
from app.settings import Settings
from app.smart_charging.schemas.charging_profiles import CalendarInput
from app.smart_charging.store import ChargingProfileStore
from app.storage import Storage
from app.tenants.records import ApiKeyRecord
from app.tenants.store import ApiKeyStore, TenantStore
from app.transactions.records import DamagedRecord, MeterReading, MeterReadings, TransactionStart
from app.types import TenantId
from app.users.store import UserStore
from app.web.minted_keys import mint_key
from tests.support.api import ALL_SCOPES
from tests.support.firmware import make_firmware
from tests.support.recorded import put_bulk, put_command, put_diagnostics_job, put_file
from tests.support.statuses import record_status
from tests.support.store import local_list, new_reservation
from tests.support.stored_certificates import store_certificates
from tests.support.stored_security import store_alarm, store_security_change
from tests.support.stored_transfers import store_transfers
from tests.support.stored_webhooks import store_webhook

Made = TypeVar("Made")
_START_TIMEOUT_S = 30.0


class _Server(uvicorn.Server):
    """A server that tells another thread when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # no sockets here
        await super().startup()
        self.listening.set()


@contextmanager
def running_server(settings: Settings) -> Iterator[str]:
    """Run the whole server, and yield its base URL."""
    app = create_app(settings)
    with serving(uvicorn.Config(app, port=0, loop="asyncio", log_config=None, access_log=False)) as url:
        yield url


@contextmanager
def serving(config: uvicorn.Config) -> Iterator[str]:
    """Serve an application on a free port, and yield its base URL."""
    server = _Server(config)
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        if not server.listening.wait(_START_TIMEOUT_S):
            raise RuntimeError("the server did not start")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass(frozen=True)
class Things:
    """A key of a tenant, and the names of one resource of each kind, by the variable parts of paths."""

    token: str
    names: dict[str, str]


def make_platform_key(settings: Settings) -> str:
    """Create a key of the platform, and return its token."""

    async def make(storage: Storage) -> str:
        return (await _key(storage.database, settings, None))[0]

    return _with_database(settings, make)


def make_things(settings: Settings, slug: str) -> Things:
    """Create a tenant with one resource of each kind, directly in the database."""

    async def make(storage: Storage) -> Things:
        database = storage.database
        async with database.platform() as work:
            tenant = await TenantStore(work).create(slug, slug)
        token, _ = await _key(database, settings, tenant.id)
        _, other_key = await _key(database, settings, tenant.id)
        async with database.tenant(tenant.id) as work:
            point = await ChargePointStore(work).create("RDAM-0123")
            await UserStore(work).create("ann@example.com", "viewer", SystemClock().now())
            now = point.created_at
            report = StatusReport(1, "Available", "NoError", now, now, 1)
            await record_status(work.rows, work.tenant_id, point.id, report, 64)
            await IdTagStore(work).create(NewIdTag("B4A63CDF"))
            profile = await ChargingProfileStore(work).create(
                "Less in the evening peak", calendar=CalendarInput.example
            )
            quirk = QuirkProfileRecord("acme-duo", "Acme", "*", "*", None, StatedHabits())
            await QuirkProfileStore(work).create(quirk, now)
            await LocalListStore(work).create(local_list("fleet", now))
            await ReservationStore(work).create(new_reservation(point.id, "B4A63CDF", now))
            firmware = await make_firmware(work, point.id, "RDAM-0123", now)
            await DesiredStore(work).put_template("north", 0, {"labels": ["site"]}, {"AcmeKey": "1"})
            command = CommandRecord(
                uuid.uuid4(), tenant.id, point.id, "RDAM-0123", "Reset", {}, "offline", now, now, 30.0, "test"
            )
            await put_command(work, command)
            job_id = await put_diagnostics_job(work, point.id, now)
            pepper = settings.credential_pepper
            certificates = await store_certificates(work, pepper, point.id, "RDAM-0123", now)
            transfers = await store_transfers(work, pepper, point.id, now)
            bulk_id = await put_bulk(work, now)
            change_id = await store_security_change(work, point.id, now)
            webhook = await store_webhook(work, pepper)
        event_id, alarm_id = await store_alarm(storage, TenantId(tenant.id), "RDAM-0123", now)
        file = await put_file(database, SystemClock(), settings, tenant.id)
        started = await storage.ledger.start_transaction(
            TransactionStart(tenant.id, point.id, 1, "B4A63CDF", now, now, 0)
        )
        now_us = microseconds_of(now)
        reading = MeterReading(now_us, '[{"value": "1"}]')
        await storage.ledger.meter_values(MeterReadings(tenant.id, point.id, 2, None, now_us, [reading]))
        await storage.ledger.keep_damaged(
            DamagedRecord(tenant.id, point.id, "StopTransaction", '[2,"1","StopTransaction",[]]', [], now)
        )
        names = {
            "slug": slug,
            "identity": "RDAM-0123",
            "connector_id": "1",
            "id_tag": "B4A63CDF",
            "transaction_id": str(started.transaction_id),
            "command_id": str(command.id),
            "charging_profile_id": str(profile.id),
            "profile_name": "acme-duo",
            "list_name": "fleet",
            "reservation_id": "1",
            "user_name": "ann@example.com",
            "template_name": "north",
            "key_id": str(other_key),
            "firmware_update_id": str(firmware.firmware_update_id),
            "campaign_id": str(firmware.campaign_id),
            "job_id": str(job_id),
            "file_id": str(file.id),
            "bulk_id": str(bulk_id),
            "change_id": str(change_id),
            "event_id": str(event_id),
            "alarm_id": str(alarm_id),
            **certificates,
            **transfers,
            **webhook,
        }
        return Things(token, names)

    return _with_database(settings, make)


async def _key(database: Database, settings: Settings, tenant_id: int | None) -> tuple[str, uuid.UUID]:
    minted = mint_key(settings.credential_pepper)
    record = ApiKeyRecord(
        id=uuid.uuid4(),
        tenant_id=tenant_id,
        name="contract",
        prefix=minted.prefix,
        secret_hash=minted.secret_hash,
        scopes=ALL_SCOPES,
        expires_at=None,
        revoked_at=None,
        created_at=datetime.now(UTC),
        last_used_at=None,
    )
    async with database.platform() as work:
        await ApiKeyStore(work).create(record)
    return minted.token, record.id


def _with_database(settings: Settings, use: Callable[[Storage], Awaitable[Made]]) -> Made:
    async def run() -> Made:
        url = settings.database_url or ""
        storage = await Storage.open(url, settings, SystemClock())
        try:
            return await use(storage)
        finally:
            await storage.close()

    return asyncio.run(run())
