"""The parts of the certificates of one worker."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.capability import Capability
from app.certificates.handlers import certificate_handlers
from app.certificates.issuer import CertificateIssuer, IssuerParts
from app.certificates.service.authorities import AuthorityCipher, CertificateAuthorityService
from app.certificates.service.forecast import ForecastService
from app.certificates.service.installed import InstalledCertificateService
from app.certificates.service.requests import CertificateService
from app.certificates.service.trust import ClientCertificateTrust
from app.clock import Clock
from app.commands.service import CommandService
from app.database.database import Database
from app.live.presence import Presence
from app.outgoing.client import OutgoingClient
from app.outgoing.signature import SecretCipher
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class CertificateCollaborators:
    """The parts of a worker that certificates need. client: asks the external authorities of tenants."""

    database: Database
    commands: CommandService
    presence: Presence
    client: Callable[[], OutgoingClient]
    clock: Clock
    settings: Settings


def certificates(given: CertificateCollaborators) -> Capability:
    """Return the capability: authorities, requests, roots on charge points, and the forecast."""
    database, clock, settings = given.database, given.clock, given.settings
    cipher, secrets = AuthorityCipher(settings.credential_pepper), SecretCipher(settings.credential_pepper)
    trust = ClientCertificateTrust(database, clock)
    requests = CertificateService(database, trust, clock, settings.certificate_requests_per_hour)
    issuer = CertificateIssuer(
        IssuerParts(database, given.commands, given.presence, given.client, cipher, secrets, requests, clock)
    )
    requests.signer = issuer
    installed = InstalledCertificateService(database, given.commands, clock)
    services = (
        CertificateAuthorityService(database, cipher, secrets, given.client, trust, clock),
        requests,
        installed,
        ForecastService(
            database,
            clock,
            tuple(settings.server_certificate_files or map(Path, settings.tls_certificates)),
            tuple(settings.planned_server_certificate_files),
        ),
        trust,
    )
    return Capability(
        services, certificate_handlers(requests), (trust, issuer), issuer.logged_in, guards=(installed.guard,)
    )
