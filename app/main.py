"""Starts and ends one worker: the only module that sees every layer. It holds no logic."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from platform import python_version
from uuid import uuid4

from fastapi import FastAPI

from app.access_changes.follower import AccessEnds, AccessFollower
from app.api import install_api
from app.api_changes.routes import api_change_routes
from app.capability import BackgroundTask, Capability, handlers_of, tell_logins
from app.catalog.catalog import load_catalog
from app.catalog.pages.routes import page_routes
from app.catalog.routes.event_types import event_type_routes
from app.catalog.routes.protocols import catalog_routes
from app.catalog.routes.validation import ValidationLimit
from app.certificates.service import ClientCertificateTrust
from app.charge_points.credentials import Credentials
from app.clock import SystemClock
from app.commands.context import CommandContext
from app.commands.owner import CommandOwner
from app.commands.reaper import CommandReaper
from app.commands.service import CommandService
from app.composition import (
    WorkerParts,
    command_effects,
    compose_capabilities,
    compose_services,
    external_authorization,
    message_handlers,
    quota_alarm,
)
from app.conformance.routes import conformance_routes
from app.console.routes import asset_routes, console_router
from app.database.partitions import PartitionKeeper
from app.database.statistics import StatisticsKeeper
from app.events.reader import EventReader
from app.events.signals import EventSignals
from app.events.streams import END_STREAMS, EventStreams
from app.gateway.client_trust import CLIENT_TRUST
from app.gateway.gateway import Gateway, GatewayParts
from app.gateway.limiter import client_address, network_of, parse_networks
from app.gateway.registry import Registry
from app.gateway.tls_failures import TLS_FAILED
from app.health.service import HealthService
from app.live.command_bus import CommandBus
from app.live.connect import open_redis
from app.live.presence import Presence
from app.live.shared_buckets import SharedBuckets
from app.logs import setup_logging
from app.metrics import BUILD_INFO
from app.migration.pages import migration_pages
from app.migration.routes import migration_routes
from app.ocpp import COMPILER_VERSION, Protocol
from app.outgoing.client import OutgoingClient
from app.quirks.shipped import shipped_profiles
from app.security.log import SecurityLog
from app.settings import Settings, load_settings
from app.smart_charging.installer import ProfileInstaller
from app.smart_charging.refresher import ProfileRefresher
from app.state_requests.interview import Interview, InterviewServices, RequestBudget
from app.state_requests.requester import StateRequester
from app.state_requests.silent_keys import SilentKeyQueue
from app.storage import Storage
from app.tenants.service import TenantService
from app.tracing.choice import tracing_of
from app.tracing.spans import Tracing
from app.transactions.external_starts import ExternalStarts
from app.transactions.handlers import transaction_handlers
from app.types import WorkerId
from app.web.document_routes import DocumentsFirst, documents_of
from app.web.services import ServiceRegistry


def create_app(settings: Settings) -> FastAPI:
    """Return one worker's application. It connects to PostgreSQL and Redis when its lifespan begins.

    settings: `database_url`, `redis_url` and `credential_pepper` must be set; the schema must be migrated.
    """
    protocol = Protocol.v16()
    # Read now, so that a damaged file refuses to start.
    shipped_profiles()
    tracing = tracing_of(settings)
    catalog = load_catalog({"v16": protocol, "v201": Protocol.v201(), "v21": Protocol.v21()})
    limit = ValidationLimit(settings.validations_per_minute, subscriber_of(settings))
    public = [
        *catalog_routes(catalog, limit, migration_routes(catalog, limit)),
        *page_routes(catalog, limit, migration_pages(catalog)),
        *conformance_routes(),
        *event_type_routes(),
        *api_change_routes(),
        *asset_routes(),
    ]

    @asynccontextmanager
    async def lifespan(app: DocumentsFirst) -> AsyncIterator[dict[str, object]]:
        async with AsyncExitStack() as stack:
            services, gateway = await _start_worker(settings, protocol, tracing, stack)
            app.state.services = services
            # Last in the list: requests of the API need not be compared with its path.
            app.router.routes.append(gateway.route)
            app.sockets.append(gateway.route)
            yield {
                CLIENT_TRUST: gateway.client_trust,
                TLS_FAILED: services.get(SecurityLog).tls_failed,
                END_STREAMS: services.get(EventStreams).end,
            }
            app.sockets.remove(gateway.route)
            app.router.routes.remove(gateway.route)

    app = DocumentsFirst(
        documents_of(public),
        title="Stationmaster",
        summary="A multi-tenant OCPP 1.6J central system.",
        version=version("stationmaster"),
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    install_api(app, protocol)
    app.include_router(console_router())
    tracing.install(app)
    # Behind the API, whose requests then skip these patterns: documents are answered before the routing.
    app.router.routes.extend(public)
    return app


def application() -> FastAPI:
    """Return the application with the settings of the environment. Workers of the server call this."""
    settings = load_settings()
    setup_logging(settings.log_level, settings.log_format)
    BUILD_INFO.labels(version("stationmaster"), settings.commit, python_version(), COMPILER_VERSION).set(1)
    return create_app(settings)


async def _start_worker(
    settings: Settings, protocol: Protocol, tracing: Tracing, stack: AsyncExitStack
) -> tuple[ServiceRegistry, Gateway]:
    """Start everything that one worker runs; the stack ends it in reverse order."""
    if settings.database_url is None or settings.redis_url is None:
        raise RuntimeError("a worker needs the URLs of PostgreSQL and Redis")
    clock, worker_id = SystemClock(), WorkerId(uuid4().hex)
    tracing.start(worker_id)
    stack.push_async_callback(tracing.close)
    storage = await Storage.open(settings.database_url, settings, clock)
    stack.push_async_callback(storage.close)
    redis = open_redis(settings.redis_url)
    stack.push_async_callback(redis.aclose)
    presence = Presence(
        redis, worker_id, clock, lease_s=settings.worker_lease_s, renewal_s=settings.worker_renewal_s
    )
    bus = CommandBus(redis, worker_id, settings.credential_pepper)
    registry = Registry(presence, bus, clock)
    silent_keys = SilentKeyQueue()
    effects = command_effects(settings, silent_keys)
    context = CommandContext(
        storage.database, storage.command_steps, bus, effects, protocol, clock, settings, tracing=tracing
    )
    owner = CommandOwner(context, registry, presence)
    commands = CommandService(context, owner, presence)
    client = OutgoingClient(settings, clock)
    stack.push_async_callback(client.close)
    authorization = external_authorization(storage, client, clock, settings)
    await authorization.start()
    stack.push_async_callback(authorization.close)
    starts = ExternalStarts(storage.ledger, authorization.authorizer)
    stack.push_async_callback(starts.close)
    signals = EventSignals(redis)
    storage.sequencer.listeners.append(signals.numbered)
    signals.start()
    stack.push_async_callback(signals.close)
    events = EventReader(storage.database.reads, signals)
    parts = WorkerParts(
        protocol,
        storage,
        presence,
        commands,
        bus,
        authorization,
        starts,
        events,
        SharedBuckets(redis, clock),
        clock,
        settings,
        redis,
    )
    requester = state_requester(parts, owner, registry, silent_keys)
    states = Capability(tasks=(requester,), logged_in=requester.logged_in)
    waiting = Capability(tasks=(commands.waiting,), logged_in=commands.waiting.logged_in)
    capabilities = (states, waiting, *compose_capabilities(parts))
    services = compose_services(parts, capabilities)
    streams = services.get(EventStreams)
    access = AccessFollower(storage.database, clock)
    gateway = Gateway(gateway_parts(parts, owner, registry, capabilities, services, access))
    await access.begin(
        AccessEnds(services.get(TenantService).tokens.forget, streams.check, gateway.close_ended)
    )
    await presence.start(registry)
    stack.push_async_callback(presence.close)
    stack.push_async_callback(registry.close)
    await bus.start({**registry.receivers(), **commands.receivers()})
    stack.push_async_callback(bus.close)
    owner.start()
    stack.push_async_callback(owner.close)
    stack.push_async_callback(commands.close)
    tasks: tuple[BackgroundTask, ...] = (
        PartitionKeeper(storage.database.url, clock),
        StatisticsKeeper(storage.database),
        access,
        services.get(HealthService),
        CommandReaper(context, owner, presence),
        ProfileRefresher(storage.database, presence, services.get(ProfileInstaller), clock),
        *(task for capability in capabilities for task in capability.tasks),
    )
    for task in tasks:
        task.start()
        stack.push_async_callback(task.close)
    await gateway.start()
    stack.push_async_callback(gateway.close)
    return services, gateway


def state_requester(
    parts: WorkerParts, owner: CommandOwner, registry: Registry, silent_keys: SilentKeyQueue
) -> StateRequester:
    """Return what asks the charge points of a worker for their state."""
    budget = RequestBudget(parts.settings.state_requests_per_minute, parts.clock)
    services = InterviewServices(
        parts.storage.database, parts.commands, owner, registry, budget, parts.clock, parts.settings
    )
    return StateRequester(parts.settings, registry, silent_keys, partial(Interview, services))


def gateway_parts(
    parts: WorkerParts,
    owner: CommandOwner,
    registry: Registry,
    capabilities: tuple[Capability, ...],
    services: ServiceRegistry,
    access: AccessFollower,
) -> GatewayParts:
    """Return the collaborators of the gateway of a worker."""
    settings = parts.settings
    return GatewayParts(
        protocol=parts.protocol,
        storage=parts.storage,
        commands=owner,
        registry=registry,
        logged_in=tell_logins(capabilities),
        login_refused=services.get(SecurityLog).refused,
        buckets=parts.buckets,
        credentials=Credentials(settings.credential_pepper),
        clock=parts.clock,
        settings=settings,
        handlers={**message_handlers(parts), **handlers_of(capabilities)},
        record_handlers=transaction_handlers(parts.storage.ledger, parts.starts, parts.clock),
        has_ended=access.has_ended,
        quota_reached=quota_alarm(capabilities),
        tenant_trust=services.get(ClientCertificateTrust),
    )


def subscriber_of(settings: Settings) -> Callable[[str, str], str]:
    """Return the function from a peer and its X-Forwarded-For to the address whose requests are counted."""
    trusted = parse_networks(settings.trusted_proxies)

    def subscriber(peer: str, forwarded_for: str) -> str:
        return network_of(client_address(peer, forwarded_for or None, trusted))

    return subscriber
