"""The composition root: the only module that sees every layer. It builds one worker and holds no logic."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from uuid import uuid4

from fastapi import FastAPI

from app.answers import Handler
from app.api import install_api
from app.audit.service import AuditService
from app.authorization_webhooks.parts import ExternalAuthorization
from app.catalog.catalog import load_catalog
from app.catalog.pages.routes import page_routes
from app.catalog.routes.protocols import catalog_routes
from app.catalog.routes.validation import ValidationLimit
from app.charge_points.credentials import Credentials
from app.charge_points.handlers import charge_point_handlers
from app.charge_points.handlers.authorization_key import AuthorizationKeyEffect
from app.charge_points.handlers.boot_notification import BootServices
from app.charge_points.handlers.status_notification import StatusServices
from app.charge_points.service import ChargePointService
from app.charge_points.status_batcher import StatusBatcher
from app.clock import Clock, SystemClock
from app.commands.effects import CommandEffects
from app.commands.owner import CommandContext, CommandOwner
from app.commands.reaper import CommandReaper
from app.commands.service import CommandService
from app.configuration.handlers import ConfigurationEffect
from app.configuration.service import ConfigurationService
from app.connection import Connection
from app.database.partitions import PartitionKeeper
from app.database.statistics import StatisticsKeeper
from app.deviations.service import DeviationService
from app.frame_log.service import FrameLogService
from app.gateway.gateway import Gateway, GatewayParts
from app.gateway.limiter import client_address, network_of, parse_networks
from app.gateway.registry import Registry
from app.id_tags.handlers import id_tag_handlers
from app.id_tags.service import AuthorizationPolicyService, Authorizer, IdTagService
from app.live.command_bus import CommandBus
from app.live.connect import open_redis
from app.live.presence import Presence
from app.login_attempts.service import LoginAttemptService
from app.logs import setup_logging
from app.ocpp import Protocol
from app.outgoing.client import OutgoingClient
from app.outgoing.signature import SecretCipher
from app.quirks.service import QuirkProfileService
from app.quirks.shipped import shipped_profiles
from app.settings import Settings, load_settings
from app.smart_charging.handlers import ChargingProfileEffect
from app.smart_charging.installer import ProfileInstaller
from app.smart_charging.refresher import ProfileRefresher
from app.smart_charging.service import ChargingProfileService, ConnectorScheduleService
from app.state_requests.handlers import SilentKeysEffect
from app.state_requests.interview import Interview, InterviewServices, RequestBudget
from app.state_requests.requester import StateRequester
from app.state_requests.silent_keys import SilentKeyQueue
from app.storage import Storage
from app.tenants.service import ApiKeyLookup, ApiKeyService, TenantService
from app.transactions.external_starts import ExternalStarts
from app.transactions.handlers import transaction_handlers
from app.transactions.handlers.sessions_over import note_sessions_over
from app.transactions.service import TransactionService
from app.transactions.store.deletion import delete_transactions_of_tenant
from app.types import WorkerId
from app.web.access import Authentication
from app.web.document_routes import DocumentsFirst, documents_of
from app.web.health import HealthChecks
from app.web.services import ServiceRegistry
from app.web.tokens import TokenVerifier


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """The parts of a worker from which its services are made."""

    protocol: Protocol
    storage: Storage
    presence: Presence
    commands: CommandService
    bus: CommandBus
    authorization: ExternalAuthorization
    starts: ExternalStarts
    clock: Clock
    settings: Settings


def create_app(settings: Settings) -> FastAPI:
    """Return one worker's application. It connects to PostgreSQL and Redis when its lifespan begins.

    settings: `database_url`, `redis_url` and `credential_pepper` must be set; the schema must be migrated.
    """
    protocol = Protocol.v16()
    # Read now, so that a damaged file refuses to start.
    shipped_profiles()
    catalog = load_catalog({"v16": protocol})
    limit = ValidationLimit(settings.validations_per_minute, subscriber_of(settings))
    public = [*catalog_routes(catalog, limit), *page_routes(catalog)]

    @asynccontextmanager
    async def lifespan(app: DocumentsFirst) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            services, gateway = await _start_worker(settings, protocol, stack)
            app.state.services = services
            # Last in the list: requests of the API need not be compared with its path.
            app.router.routes.append(gateway.route)
            app.sockets.append(gateway.route)
            yield
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
    # Behind the API, whose requests then skip these patterns: documents are answered before the routing.
    app.router.routes.extend(public)
    return app


def application() -> FastAPI:
    """Return the application with the settings of the environment. Workers of the server call this."""
    settings = load_settings()
    setup_logging(settings.log_level, settings.log_format)
    return create_app(settings)


async def _start_worker(
    settings: Settings, protocol: Protocol, stack: AsyncExitStack
) -> tuple[ServiceRegistry, Gateway]:
    """Start everything that one worker runs; the stack ends it in reverse order."""
    if settings.database_url is None or settings.redis_url is None:
        raise RuntimeError("a worker needs the URLs of PostgreSQL and Redis")
    clock, worker_id = SystemClock(), WorkerId(uuid4().hex)
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
    context = CommandContext(storage.database, storage.command_steps, bus, effects, protocol, clock, settings)
    owner = CommandOwner(context, registry, presence)
    commands = CommandService(context, owner, presence)
    client = OutgoingClient(settings, clock)
    stack.push_async_callback(client.close)
    authorization = external_authorization(storage, client, clock, settings)
    await authorization.start()
    stack.push_async_callback(authorization.close)
    starts = ExternalStarts(storage.ledger, authorization.authorizer)
    stack.push_async_callback(starts.close)
    parts = WorkerParts(protocol, storage, presence, commands, bus, authorization, starts, clock, settings)
    services = compose_services(parts)
    requester = state_requester(parts, owner, registry, silent_keys)
    gateway = Gateway(gateway_parts(parts, owner, registry, requester.logged_in))
    await presence.start(registry)
    stack.push_async_callback(presence.close)
    stack.push_async_callback(registry.close)
    await bus.start({**registry.receivers(), **commands.receivers()})
    stack.push_async_callback(bus.close)
    owner.start()
    stack.push_async_callback(owner.close)
    stack.push_async_callback(commands.close)
    for task in (
        PartitionKeeper(storage.database.url, clock),
        StatisticsKeeper(storage.database),
        CommandReaper(context, owner, presence),
        ProfileRefresher(storage.database, presence, services.get(ProfileInstaller), clock),
        requester,
    ):
        task.start()
        stack.push_async_callback(task.close)
    await gateway.start()
    stack.push_async_callback(gateway.close)
    return services, gateway


def external_authorization(
    storage: Storage, client: OutgoingClient, clock: Clock, settings: Settings
) -> ExternalAuthorization:
    """Return the parts that ask the authorization webhooks of tenants."""
    local, cipher = Authorizer(storage.message_steps), SecretCipher(settings.credential_pepper)
    return ExternalAuthorization.make(storage.database, local, client, cipher, clock)


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
    parts: WorkerParts, owner: CommandOwner, registry: Registry, logged_in: Callable[[Connection], None]
) -> GatewayParts:
    """Return the collaborators of the gateway of a worker."""
    settings = parts.settings
    return GatewayParts(
        protocol=parts.protocol,
        storage=parts.storage,
        commands=owner,
        registry=registry,
        logged_in=logged_in,
        credentials=Credentials(settings.credential_pepper),
        clock=parts.clock,
        settings=settings,
        handlers=message_handlers(parts),
        record_handlers=transaction_handlers(parts.storage.ledger, parts.starts, parts.clock),
    )


def subscriber_of(settings: Settings) -> Callable[[str, str], str]:
    """Return the function from a peer and its X-Forwarded-For to the address whose requests are counted."""
    trusted = parse_networks(settings.trusted_proxies)

    def subscriber(peer: str, forwarded_for: str) -> str:
        return network_of(client_address(peer, forwarded_for or None, trusted))

    return subscriber


def command_effects(settings: Settings, silent_keys: SilentKeyQueue | None = None) -> CommandEffects:
    """Return what the capabilities change when a command ends. silent_keys: of the worker."""
    return CommandEffects(
        AuthorizationKeyEffect(Credentials(settings.credential_pepper)),
        ConfigurationEffect(),
        ChargingProfileEffect(),
        SilentKeysEffect(silent_keys or SilentKeyQueue()),
    )


def message_handlers(parts: WorkerParts) -> dict[str, Handler]:
    """Return the handlers of the messages of charge points that record no money, by action."""
    storage, clock, settings = parts.storage, parts.clock, parts.settings
    over = partial(note_sessions_over, storage.ledger, parts.starts, clock)
    boot = BootServices(storage.login_batcher, clock, settings.heartbeat_interval_s, over, storage.quirks)
    statuses = StatusBatcher(storage.message_steps, settings.connectors_per_charge_point)
    status = StatusServices(statuses, clock, over)
    return {
        **charge_point_handlers(boot, status),
        **id_tag_handlers(parts.authorization.authorizer, clock),
    }


def compose_services(parts: WorkerParts) -> ServiceRegistry:
    """Return the services that routes ask for; the parts, too, so that tests can look at a worker."""
    database, clock, settings = parts.storage.database, parts.clock, parts.settings
    protocol = parts.protocol
    pepper = settings.credential_pepper
    tokens = TokenVerifier(ApiKeyLookup(database), clock, pepper, settings.login_failures_per_minute)
    address = partial(client_address, trusted=parse_networks(settings.trusted_proxies))
    tenants = TenantService(database, tokens)
    charge_points = ChargePointService(
        database, parts.presence, parts.bus, clock, Credentials(pepper), tenants
    )
    frames = FrameLogService(database)
    tenants.deletions.extend(
        [delete_transactions_of_tenant, frames.delete_of_tenant, charge_points.delete_of_tenant]
    )
    return ServiceRegistry(
        Authentication(tokens.authenticate, address),
        tenants,
        ApiKeyService(database, tokens, clock, pepper),
        charge_points,
        ConfigurationService(database),
        IdTagService(database),
        AuthorizationPolicyService(database),
        parts.authorization.service,
        TransactionService(database, parts.storage.ledger, clock),
        AuditService(database),
        frames,
        LoginAttemptService(database),
        DeviationService(database),
        QuirkProfileService(database, clock),
        parts.commands,
        ChargingProfileService(database, clock, protocol),
        ConnectorScheduleService(database, parts.commands, clock, protocol),
        ProfileInstaller(database, parts.commands, clock, protocol),
        protocol,
        HealthChecks(database.ping, lambda: parts.presence.reachable),
        parts,
    )
