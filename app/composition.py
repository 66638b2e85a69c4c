"""Builds each capability of a worker once, and gathers the services, handlers and effects of all of them."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from app.answers import Handler
from app.audit.key_uses import KeyUses
from app.audit.service import AuditService
from app.audit.store import delete_audit_of_tenant
from app.authorization_webhooks.parts import ExternalAuthorization
from app.bulk_commands.parts import bulk_commands
from app.capability import Capability
from app.certificates.handlers import (
    CertificateSignedEffect,
    CertificateTriggerEffect,
    DeleteCertificateEffect,
    InstallCertificateEffect,
    InstalledCertificatesEffect,
)
from app.certificates.parts import CertificateCollaborators, certificates
from app.certificates.service.requests import CertificateService
from app.charge_points.credentials import Credentials
from app.charge_points.fleet_import import FleetImport
from app.charge_points.fleet_view import FleetView
from app.charge_points.handlers import charge_point_handlers
from app.charge_points.handlers.authorization_key import AuthorizationKeyEffect
from app.charge_points.handlers.boot_notification import BootServices
from app.charge_points.handlers.status_notification import StatusServices
from app.charge_points.service import ChargePointService
from app.charge_points.status_batcher import StatusBatcher
from app.charge_points.store import keep_charge_points
from app.clock import Clock
from app.commands.effects import CommandEffects
from app.commands.profiled_starts import ProfiledStarts
from app.commands.service import CommandService
from app.configuration.handlers import ConfigurationEffect
from app.configuration.parts import configuration_capability
from app.configuration.service import ConfigurationService
from app.console.parts import console_screens
from app.data_transfer.handlers import DataTransferEffect
from app.data_transfer.parts import data_transfers
from app.database.unit_of_work import PlatformWork
from app.deviations.service import DeviationService
from app.diagnostics.handlers import DiagnosticsEffect
from app.diagnostics.parts import diagnostics_capability
from app.events.reader import EventReader
from app.events.store import delete_events_of_tenant
from app.events.streams import EventStreams
from app.files.parts import Files
from app.firmware.handlers import FirmwareCommandEffect
from app.firmware.links import FileLinks
from app.firmware.parts import firmware_updates
from app.frame_log.service import FrameLogService
from app.gateway.limiter import client_address, network_of, parse_networks
from app.health.pepper import pepper_mark
from app.health.service import HealthService, HealthSources
from app.id_tags.handlers import id_tag_handlers
from app.id_tags.service import AuthorizationPolicyService, Authorizer, IdTagService
from app.live.command_bus import CommandBus
from app.live.connect import LiveRedis
from app.live.presence import Presence
from app.live.shared_buckets import SharedBuckets
from app.local_lists.handlers import LocalListEffect
from app.local_lists.parts import local_list_parts
from app.local_lists.service import LocalListService
from app.login_attempts.service import LoginAttemptService
from app.ocpp import Protocol
from app.outgoing.client import OutgoingClient
from app.outgoing.signature import SecretCipher
from app.plug_and_charge.handlers import PlugAndChargeEffect
from app.plug_and_charge.parts import PlugAndChargeCollaborators, plug_and_charge
from app.quirks.service import QuirkProfileService
from app.reservations.handlers import ReservationEffect
from app.reservations.parts import reservation_parts
from app.security.log import SecurityLog
from app.security.parts import security_events
from app.security.records import OwnEvent
from app.security_changes.handlers import SecurityChangeEffect
from app.security_changes.parts import security_changes
from app.settings import Settings
from app.smart_charging.handlers import ChargingProfileEffect
from app.smart_charging.installer import ProfileInstaller
from app.smart_charging.service import ChargingProfileService, ConnectorScheduleService
from app.state_requests.handlers import SilentKeysEffect
from app.state_requests.silent_keys import SilentKeyQueue
from app.storage import Storage
from app.tenants.service import ApiKeyLookup, ApiKeyService, TenantService
from app.transactions.external_starts import ExternalStarts
from app.transactions.handlers.sessions_over import note_sessions_over
from app.transactions.service import TransactionService
from app.transactions.store.deletion import charge_points_with_bills
from app.transactions.store.transaction_ids import largest_share_used
from app.types import TenantId
from app.users.parts import user_parts
from app.web.access import Authentication
from app.web.request_limits import RequestLimits
from app.web.request_turns import RequestTurns
from app.web.row_body import RowLimits
from app.web.services import ServiceRegistry
from app.web.tokens import TokenVerifier
from app.webhooks.parts import webhooks


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
    events: EventReader
    buckets: SharedBuckets
    clock: Clock
    settings: Settings
    redis: LiveRedis


def external_authorization(
    storage: Storage, client: OutgoingClient, clock: Clock, settings: Settings
) -> ExternalAuthorization:
    """Return the parts that ask the authorization webhooks of tenants."""
    local, cipher = Authorizer(storage.message_steps), SecretCipher(settings.credential_pepper)
    return ExternalAuthorization.make(storage.database, local, client, cipher, clock)


def compose_capabilities(parts: WorkerParts) -> tuple[Capability, ...]:
    """Return the capabilities that are made of the parts of a worker. Each has a module `parts`."""
    database, commands, clock, settings = parts.storage.database, parts.commands, parts.clock, parts.settings
    steps = parts.storage.message_steps
    log, uses = SecurityLog(steps, clock), KeyUses(database, parts.redis, clock)
    files = Files.make(database, clock, settings)

    # The client is made later than the handlers in some tests.
    def client() -> OutgoingClient:
        return parts.authorization.service.client

    charging = plug_and_charge(
        PlugAndChargeCollaborators(
            database=database,
            commands=commands,
            presence=parts.presence,
            authorizer=parts.authorization.authorizer,
            client=client,
            clock=clock,
            settings=settings,
        )
    )
    certificate_collaborators = CertificateCollaborators(
        database=database,
        commands=commands,
        presence=parts.presence,
        client=client,
        clock=clock,
        settings=settings,
    )
    certificate_capability = certificates(certificate_collaborators)
    has_certificate = certificate_capability.service(CertificateService).has_certificate
    return (
        local_list_parts(database, commands, parts.presence, clock, settings),
        reservation_parts(database, commands, Authorizer(steps), clock, settings),
        certificate_capability,
        configuration_capability(database, commands, parts.presence, parts.protocol, clock, settings),
        firmware_updates(database, commands, parts.presence, FileLinks(files.service), clock, settings),
        files.capability,
        diagnostics_capability(database, commands, files.service, clock, settings),
        security_events(database, steps, log, parts.protocol, clock, settings),
        security_changes(database, commands, parts.presence, log, clock, has_certificate),
        bulk_commands(database, commands, parts.protocol, clock, settings),
        charging.capability,
        data_transfers(database, client, (charging.extension,), clock, settings),
        user_parts(database, clock, settings),
        Capability(services=(uses,), tasks=(uses,)),
        webhooks(database, parts.events, client, clock, settings),
    )


def command_effects(settings: Settings, silent_keys: SilentKeyQueue | None = None) -> CommandEffects:
    """Return what the capabilities change when a command ends. silent_keys: of the worker."""
    return CommandEffects(
        AuthorizationKeyEffect(Credentials(settings.credential_pepper)),
        ConfigurationEffect(),
        ChargingProfileEffect(),
        SecurityChangeEffect(),
        SilentKeysEffect(silent_keys or SilentKeyQueue()),
        LocalListEffect(),
        ReservationEffect(),
        CertificateSignedEffect(settings.certificate_renewal_days),
        CertificateTriggerEffect(),
        InstallCertificateEffect(),
        InstalledCertificatesEffect(),
        DeleteCertificateEffect(),
        FirmwareCommandEffect(settings.firmware_job_timeout_s),
        DiagnosticsEffect(settings),
        DataTransferEffect(),
        PlugAndChargeEffect(),
    )


def health_service(parts: WorkerParts) -> HealthService:
    """Return the health checks of a worker."""
    settings = parts.settings
    return HealthService(
        HealthSources(
            host=socket.gethostname(),
            probe=parts.storage.database.probe,
            ids_used=largest_share_used,
            redis=parts.redis,
            redis_failure=lambda: parts.presence.failure,
            outcomes=parts.storage.ledger.outcomes,
            pepper_mark=pepper_mark(settings.credential_pepper),
            data_directory=settings.data_directory,
            holds_database=(settings.data_directory / "postgres").exists(),
            clock=parts.clock,
        )
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


async def keep_bills(work: PlatformWork, tenant_id: TenantId) -> bool:
    """Keep the charge points of a tenant that have billing records, and delete the others.

    Return False if none has any.
    """
    kept = await charge_points_with_bills(work, tenant_id)
    if kept:
        await keep_charge_points(work, tenant_id, kept)
    return bool(kept)


def quota_alarm(capabilities: tuple[Capability, ...]) -> Callable[[TenantId, str], None]:
    """Return the function that tells a tenant that it has reached a quota. It does not wait."""
    (log,) = (
        service
        for capability in capabilities
        for service in capability.services
        if isinstance(service, SecurityLog)
    )

    def alarm(tenant_id: TenantId, quota: str) -> None:
        log.record(tenant_id, None, OwnEvent.QUOTA_REACHED, f"quota={quota}")

    return alarm


def compose_services(parts: WorkerParts, capabilities: tuple[Capability, ...]) -> ServiceRegistry:
    """Return the services that routes ask for; the parts, too, so that tests can look at a worker."""
    database, clock, settings = parts.storage.database, parts.clock, parts.settings
    protocol = parts.protocol
    pepper = settings.credential_pepper
    tokens = TokenVerifier(ApiKeyLookup(database), clock, pepper, settings.login_failures_per_minute)
    (uses,) = (service for each in capabilities for service in each.services if isinstance(service, KeyUses))
    address = partial(client_address, trusted=parse_networks(settings.trusted_proxies))
    limits = RequestLimits(parts.buckets, settings, quota_alarm(capabilities))
    tenants = TenantService(database, tokens, clock, keep_bills)
    charge_points = ChargePointService(
        database,
        parts.presence,
        parts.bus,
        clock,
        Credentials(pepper),
        tenants,
        settings.charge_points_of_tenant_limit,
    )
    charge_points.label_listeners.extend(
        service.labels_changed
        for capability in capabilities
        for service in capability.services
        if isinstance(service, ConfigurationService | LocalListService)
    )
    frames = FrameLogService(database)
    installer = ProfileInstaller(database, parts.commands, clock, protocol)
    tenants.deletions.extend(
        [
            frames.delete_of_tenant,
            charge_points.delete_of_tenant,
            delete_events_of_tenant,
            delete_audit_of_tenant,
        ]
    )
    for capability in capabilities:
        tenants.deletions.extend(capability.tenant_deletions)
        for guard in capability.guards:
            parts.commands.guards.add(guard)
    registry = ServiceRegistry(
        Authentication(
            uses.noted(tokens.authenticate),
            address,
            lambda request: limits.take(replace(request, address=network_of(request.address))),
            RequestTurns(),
        ),
        tenants,
        ApiKeyService(database, tokens, clock, pepper),
        charge_points,
        FleetImport(charge_points, tenants, Credentials(pepper)),
        FleetView(charge_points, settings.connector_stale_after_s),
        RowLimits.of(settings),
        IdTagService(database),
        AuthorizationPolicyService(database),
        parts.authorization.service,
        TransactionService(database, parts.storage.ledger, clock),
        AuditService(database, clock),
        frames,
        LoginAttemptService(database),
        DeviationService(database),
        QuirkProfileService(database, clock),
        parts.events,
        EventStreams(parts.events, settings),
        parts.commands,
        ChargingProfileService(database, clock, protocol),
        ConnectorScheduleService(database, parts.commands, clock, protocol),
        installer,
        ProfiledStarts(installer.remote_start),
        protocol,
        health_service(parts),
        database,
        parts,
        *(service for capability in capabilities for service in capability.services),
    )
    registry.add(*console_screens(registry))
    return registry
