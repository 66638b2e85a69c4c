"""The REST API alone, on the real database and the real Redis."""

import itertools
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import httpx
from fastapi import FastAPI

from app.api import install_api
from app.audit import tables as audit_tables
from app.authorization_webhooks.records import Attempt, NewWebhook
from app.authorization_webhooks.store import WebhookStore, add_attempts
from app.charge_points.store import ChargePointStore
from app.clock import microseconds_of
from app.commands.context import CommandContext
from app.commands.owner import CommandOwner
from app.commands.records import CommandRecord
from app.commands.service import CommandService
from app.composition import (
    WorkerParts,
    command_effects,
    compose_capabilities,
    compose_services,
    external_authorization,
)
from app.database.text import json_text
from app.deviations.records import ChargePointCounts, CountedDeviation, SeenDeviation
from app.deviations.store import add_counts
from app.events.reader import EventReader
from app.events.signals import EventSignals
from app.gateway.registry import Registry
from app.live.command_bus import CommandBus
from app.live.connect import open_redis
from app.live.envelopes import Envelope
from app.live.presence import Owner, Presence
from app.live.shared_buckets import SharedBuckets
from app.login_attempts.records import RefusalReason, RefusedLogin
from app.login_attempts.store import add_login_attempts
from app.ocpp import pack_samples
from app.outgoing.client import OutgoingClient
from app.outgoing.signature import new_secret
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import ApiKeyRecord, TenantRecord
from app.tenants.store import ApiKeyStore, TenantStore
from app.transactions import tables as transaction_tables
from app.transactions.external_starts import ExternalStarts
from app.types import ChargePointId, Scope, TenantId, WorkerId
from app.web.document_routes import DocumentsFirst
from app.web.minted_keys import mint_key
from app.web.services import ServiceRegistry
from tests.support.protocol import OCPP16
from tests.support.recorded import put_bulk, put_command
from tests.support.stored_certificates import store_certificates
from tests.support.stored_security import store_alarm, store_security_change

ALL_SCOPES: tuple[Scope, ...] = ("read", "write", "command", "admin", "metrics")
NOW = datetime(2026, 5, 4, 8, 15, 30, tzinfo=UTC)
_NUMBERS = itertools.count(1)


class SetClock:
    """A clock that a test moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def now_us(self) -> int:
        return microseconds_of(self.now())

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


@dataclass
class Api:
    """One application, with methods that prepare its data."""

    services: WorkerParts
    clock: SetClock
    delivered: list[Envelope]
    client: httpx.AsyncClient
    app: FastAPI
    tenants: dict[str, TenantRecord] = field(default_factory=dict)

    async def tenant(self) -> TenantRecord:
        """Create a tenant."""
        slug = f"operator-{next(_NUMBERS)}"
        async with self.services.storage.database.platform() as work:
            return await TenantStore(work).create(slug, f"Operator {slug}")

    async def key(
        self, tenant: TenantRecord | None, *scopes: Scope, expires_at: datetime | None = None
    ) -> str:
        """Create a key, and return its token. Without a tenant it is a key of the platform."""
        minted = mint_key(self.services.settings.credential_pepper)
        record = ApiKeyRecord(
            id=uuid.uuid4(),
            tenant_id=None if tenant is None else tenant.id,
            name="a key",
            prefix=minted.prefix,
            secret_hash=minted.secret_hash,
            scopes=scopes or ALL_SCOPES,
            expires_at=expires_at,
            revoked_at=None,
            created_at=self.clock.now(),
            last_used_at=None,
        )
        async with self.services.storage.database.platform() as work:
            await ApiKeyStore(work).create(record)
        return minted.token

    async def call(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """Send one request, with the token if one is given."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return await self.client.request(method, path, headers=headers, **options)

    async def charge_point(self, tenant: TenantRecord, identity: str = "RDAM-1") -> ChargePointId:
        """Create a charge point, and return its primary key."""
        async with self.services.storage.database.tenant(tenant.id) as work:
            return ChargePointId((await ChargePointStore(work).create(identity)).id)

    async def connect(self, tenant: TenantRecord, charge_point_id: ChargePointId, identity: str) -> Owner:
        """Publish that this worker has the socket of a charge point."""
        owner = Owner(
            tenant_id=TenantId(tenant.id),
            charge_point_id=charge_point_id,
            identity=identity,
            worker=self.services.presence.worker_id,
            epoch=1,
            connection_id="connection-1",
            connected_at=NOW,
            remote="192.0.2.7",
            subprotocol="ocpp1.6",
        )
        await self.services.presence.take_over(owner)
        return owner

    async def transaction(self, tenant: TenantRecord, charge_point_id: ChargePointId, **columns: Any) -> int:
        """Store a transaction as the ledger does, and return its id."""
        transaction_id = next(_NUMBERS)
        values = {
            "id": transaction_id,
            "tenant_id": tenant.id,
            "charge_point_id": charge_point_id,
            "connector_id": 1,
            "id_tag": "B4A63CDF",
            "id_tag_key": "b4a63cdf",
            "started_at": NOW + timedelta(seconds=transaction_id),
            "started_key": NOW + timedelta(seconds=transaction_id),
            "started_received_at": NOW,
            "meter_start_wh": 1000,
            "id_tag_info": {"status": "Accepted"},
            **columns,
        }
        async with self.services.storage.database.platform() as work:
            await work.connection.execute(transaction_tables.transactions.insert().values(values))
        return transaction_id

    async def meter_value(
        self,
        tenant: TenantRecord,
        charge_point_id: ChargePointId,
        sampled_values: Sequence[Any] = ({"value": "1"},),
        **columns: Any,
    ) -> None:
        """Store a meter value without a transaction, as the ledger does."""
        values = {
            "tenant_id": tenant.id,
            "charge_point_id": charge_point_id,
            "connector_id": 1,
            "transaction_id": None,
            "sampled_at": NOW,
            "received_at": NOW,
            "context": "periodic",
            "packed_values": pack_samples(json_text(sampled_values)),
            "digest": next(_NUMBERS),
            **columns,
        }
        async with self.services.storage.database.platform() as work:
            await work.connection.execute(transaction_tables.meter_values.insert().values(values))

    async def refused_login(self, tenant: TenantRecord, identity: str) -> None:
        """Record a login that was refused."""
        login = RefusedLogin(
            self.clock.now(), RefusalReason.CREDENTIAL_WRONG, "192.0.2.7", tenant.slug, identity
        )
        async with self.services.storage.database.platform() as work:
            await add_login_attempts(work, [(login, 1)])

    async def deviation(self, tenant: TenantRecord, charge_point_id: ChargePointId) -> None:
        """Count a CALL of a charge point that has a deviation."""
        now_us = self.clock.now_us()
        seen = SeenDeviation("unknown_field", "1", "Heartbeat", "/uptime", "1")
        counted = {seen.code: CountedDeviation(1, now_us, now_us, seen, "connection-1")}
        counts = ChargePointCounts(tenant.id, charge_point_id, now_us, 1, counted)
        async with self.services.storage.database.platform() as work:
            await add_counts(work, [counts])

    async def security_alarm(self, tenant: TenantRecord, identity: str) -> tuple[int, int]:
        """Store a critical security event. Return its id, and that of the alarm that it raises."""
        return await store_alarm(self.services.storage, TenantId(tenant.id), identity, NOW)

    async def security_change(self, tenant: TenantRecord, charge_point_id: ChargePointId) -> uuid.UUID:
        """Store a replacement of a key that was refused, and a policy. Return the id of the change."""
        async with self.services.storage.database.tenant(tenant.id) as work:
            return await store_security_change(work, charge_point_id, NOW)

    async def bulk(self, tenant: TenantRecord) -> uuid.UUID:
        """Store a bulk that has ended, and return its id."""
        async with self.services.storage.database.tenant(tenant.id) as work:
            return await put_bulk(work, NOW)

    async def authorization_webhook(self, tenant: TenantRecord, identity: str) -> None:
        """Store a webhook that cannot be reached, and a question to it."""
        tenant_id, service = TenantId(tenant.id), self.services.authorization.service
        new = NewWebhook("https://webhook.invalid/", 2000, "local", "always", 60)
        async with self.services.storage.database.tenant(tenant.id) as work:
            await WebhookStore(work).put(new, service.cipher.encrypt(tenant_id, new_secret()))
        place = (tenant_id, self.clock.now(), "Authorize", identity, None, "B4A63CDF")
        attempt = Attempt(*place, None, None, "webhook", "Accepted", 5, False)  # type: ignore[arg-type]
        async with self.services.storage.database.platform() as platform:
            await add_attempts(platform, [attempt])

    async def certificates(
        self, tenant: TenantRecord, charge_point_id: ChargePointId, identity: str
    ) -> dict[str, str]:
        """Store an authority, a root on a charge point, a request and a certificate; return their ids."""
        async with self.services.storage.database.tenant(tenant.id) as work:
            pepper = self.services.settings.credential_pepper
            return await store_certificates(work, pepper, charge_point_id, identity, NOW)

    async def orphan_record(
        self, tenant: TenantRecord, charge_point_id: ChargePointId, **columns: Any
    ) -> int:
        """Store the stop of an unknown transaction, as the ledger does, and return its id."""
        values = {
            "tenant_id": tenant.id,
            "charge_point_id": charge_point_id,
            "kind": "stop_unknown_transaction",
            "action": "StopTransaction",
            "payload": {"transactionId": -1, "meterStop": 4000},
            "raw": None,
            "received_at": NOW,
            "stopped_at": NOW,
            "meter_stop_wh": 4000,
            "transaction_id": None,
            "digest": next(_NUMBERS),
            **columns,
        }
        async with self.services.storage.database.platform() as work:
            table = transaction_tables.orphan_records
            return int(
                (
                    await work.connection.execute(table.insert().values(values).returning(table.c.id))
                ).scalar_one()
            )

    async def audit_entry(self, tenant: TenantRecord) -> None:
        """Store an entry of the audit."""
        values = {
            "tenant_id": tenant.id,
            "at": NOW,
            "actor": "sm_live_0a1b2c3d",
            "act": "end_transaction",
            "subject": "/v1/transactions/1",
            "reason": "The cable was cut.",
            "details": {},
        }
        async with self.services.storage.database.tenant(tenant.id) as work:
            await work.connection.execute(audit_tables.audit.insert().values(values))

    async def command(
        self, tenant: TenantRecord, charge_point_id: ChargePointId, **columns: Any
    ) -> CommandRecord:
        """Store a queued command, and return it."""
        record = CommandRecord(
            id=uuid.uuid4(),
            tenant_id=tenant.id,
            charge_point_id=charge_point_id,
            identity="RDAM-1",
            action="Reset",
            payload={"type": "Soft"},
            state="queued",
            created_at=NOW + timedelta(seconds=next(_NUMBERS)),
            deadline_at=NOW + timedelta(hours=1),
            timeout_s=30.0,
            issued_by="key:test",
        )
        record = replace(record, **columns)
        async with self.services.storage.database.tenant(tenant.id) as work:
            return await put_command(work, record)


class _Unconcerned:
    """A listener for take-overs. These tests have none."""

    def stale(self, owner: Owner) -> None:
        """Do nothing."""

    def displaced(self, previous: Owner, by: Owner) -> None:
        """Do nothing."""


def build_app() -> FastAPI:
    """Make the application with the API alone, as `app.main` does, without services."""
    app = DocumentsFirst(
        {}, title="Stationmaster", version="0.0.0", openapi_url=None, docs_url=None, redoc_url=None
    )
    install_api(app, OCPP16)
    return app


_UNUSED_APPS: list[FastAPI] = []
"""Applications of tests that have ended. FastAPI analyses each route at its first request, which takes
longer than most tests."""


@contextmanager
def _app_with(services: ServiceRegistry) -> Iterator[FastAPI]:
    """Give an application these services for the time of one test."""
    app = _UNUSED_APPS.pop() if _UNUSED_APPS else build_app()
    app.state.services = services
    try:
        yield app
    finally:
        _UNUSED_APPS.append(app)


@asynccontextmanager
async def open_api(
    storage: Storage, redis_url: str, settings: Settings, commands: CommandService | None = None
) -> AsyncIterator[Api]:
    """Open the API with its database and Redis. commands: replace the real ones."""
    clock = SetClock()
    redis = open_redis(redis_url)
    worker = WorkerId(f"worker-{next(_NUMBERS)}")
    presence = Presence(redis, worker, clock)
    bus = CommandBus(redis, worker, settings.credential_pepper)
    delivered: list[Envelope] = []
    await presence.start(_Unconcerned())
    await bus.start(dict.fromkeys(get_args(Envelope), delivered.append))
    client_of_tenants = OutgoingClient(settings, clock)
    authorization = external_authorization(storage, client_of_tenants, clock, settings)
    try:
        if commands is None:
            effects = command_effects(settings)
            context = CommandContext(
                storage.database, storage.command_steps, bus, effects, OCPP16, clock, settings
            )
            owner = CommandOwner(context, Registry(presence, bus, clock), presence)
            commands = CommandService(context, owner, presence)
        await authorization.directory.refresh()
        external = (authorization, ExternalStarts(storage.ledger, authorization.authorizer))
        events = EventReader(storage.database.reads, EventSignals(redis))
        buckets = SharedBuckets(redis, clock)
        services = WorkerParts(
            OCPP16, storage, presence, commands, bus, *external, events, buckets, clock, settings, redis
        )
        with _app_with(compose_services(services, compose_capabilities(services))) as app:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
                yield Api(services, clock, delivered, client, app)
    finally:
        await authorization.close()
        await client_of_tenants.close()
        await bus.close()
        await presence.close()
        await redis.aclose()
