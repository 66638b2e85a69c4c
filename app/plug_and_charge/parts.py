"""The parts of Plug & Charge of one worker."""

from collections.abc import Callable
from dataclasses import dataclass

from app.authorization_webhooks.authorizer import ExternalAuthorizer
from app.capability import Capability
from app.clock import Clock
from app.commands.service import CommandService
from app.database.database import Database
from app.live.presence import Presence
from app.outgoing.client import OutgoingClient
from app.outgoing.signature import SecretCipher
from app.plug_and_charge.extension import PlugAndChargeExtension
from app.plug_and_charge.issuer import V2gIssuer, V2gIssuerParts
from app.plug_and_charge.places import RequestPlaces
from app.plug_and_charge.servers import HttpContractCertificates, OcspResponders
from app.plug_and_charge.service.operations import PlugAndChargeOperations
from app.plug_and_charge.service.requests import V2gRequestService
from app.plug_and_charge.service.settings import PlugAndChargeSettingService
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class PlugAndCharge:
    """The capability, and what answers its messages inside DataTransfer."""

    capability: Capability
    extension: PlugAndChargeExtension


@dataclass(frozen=True, slots=True)
class PlugAndChargeCollaborators:
    """The parts of a worker that Plug & Charge needs. client: asks the servers of tenants."""

    database: Database
    commands: CommandService
    presence: Presence
    authorizer: ExternalAuthorizer
    client: Callable[[], OutgoingClient]
    clock: Clock
    settings: Settings


def plug_and_charge(given: PlugAndChargeCollaborators) -> PlugAndCharge:
    """Return the capability: contracts, V2G certificates, and the certificates on charge points."""
    database, clock, settings = given.database, given.clock, given.settings
    cipher = SecretCipher(settings.credential_pepper)
    stored = PlugAndChargeSettingService(database, given.client, cipher, clock)
    requests = V2gRequestService(database, stored, clock, settings.v2g_certificate_requests_per_hour)
    issuer = V2gIssuer(
        V2gIssuerParts(database, given.commands, given.presence, given.client, stored, requests, clock)
    )
    requests.signer = issuer
    places = RequestPlaces(
        settings.plug_and_charge_requests_limit, settings.plug_and_charge_requests_of_tenant_limit
    )
    extension = PlugAndChargeExtension(
        authorizer=given.authorizer,
        settings=stored,
        requests=requests,
        contracts=HttpContractCertificates(given.client, places),
        responders=OcspResponders(given.client, places),
        clock=clock,
    )
    operations = PlugAndChargeOperations(database, given.commands, clock)
    services = (stored, requests, operations)
    return PlugAndCharge(Capability(services, {}, (issuer,), issuer.logged_in), extension)
