"""The trust in client certificates: the anchors that the settings name, and those of tenants.

TLS verifies certificates by the anchors of the settings. It does not know those of tenants: which tenant a
client means is in its URL, and the roots of one tenant must not count, or be in the way, for another. So once
a tenant has roots, TLS lets certificates pass that it cannot verify, and the login verifies them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.connection import CertificateVerdict, ClientCertificate
from app.gateway.core_transport import anchor_fingerprint
from app.gateway.handshake import judge_certificate
from app.settings import Settings
from app.types import TenantId

CLIENT_TRUST: Final = "client_trust"
"""The name of the `ClientTrust` of a worker in the state of its lifespan."""

Revoked = frozenset[tuple[bytes, int]]
"""Revoked certificates: the name of the issuer, DER, and the serial number."""


class TrustError(Exception):
    """A file of trust anchors or revoked certificates cannot be used. The text names the variable."""


class TenantTrust(Protocol):
    """The trust of the tenants in client certificates."""

    listeners: list[Callable[[], None]]
    """Called when anchors or revocations have changed."""

    @property
    def has_anchors(self) -> bool:
        """Tell whether any tenant has an anchor."""

    async def verify(
        self, tenant_id: TenantId, identity: str, certificate: ClientCertificate
    ) -> CertificateVerdict:
        """Judge a certificate that TLS has not verified, by the anchors of one tenant.

        Raises:
            StoreUnavailable: they are not known.
        """

    def is_trusted(self, tenant_id: TenantId, certificate: ClientCertificate) -> bool:
        """Tell whether a certificate that was verified is neither revoked nor without its anchor now."""


class NoTenantTrust:
    """No tenant has an anchor: only those of the settings count."""

    has_anchors = False

    def __init__(self) -> None:
        self.listeners: list[Callable[[], None]] = []

    async def verify(
        self, tenant_id: TenantId, identity: str, certificate: ClientCertificate
    ) -> CertificateVerdict:
        """Trust none."""
        return CertificateVerdict(None, "The tenant has no certificate authority.")

    def is_trusted(self, tenant_id: TenantId, certificate: ClientCertificate) -> bool:
        """Trust none."""
        return False


@dataclass(frozen=True, slots=True)
class TrustedClients:
    """The trust of the settings. It does not change.

    pem: the anchors, one after the other; anchors: their fingerprints; organization: of all certificates,
    None: it is not checked.
    """

    pem: bytes = b""
    anchors: frozenset[str] = frozenset()
    revoked: Revoked = frozenset()
    organization: str | None = None


class ClientTrust:
    """The trust of one worker."""

    def __init__(self, settings: Settings, tenants: TenantTrust | None = None) -> None:
        self._settings = settings
        self.tenants = tenants or NoTenantTrust()
        self.current = TrustedClients()
        """The trust of the settings as of the last `refresh`."""
        self._is_read = False
        self.changed: Callable[[], None] = _do_nothing
        """Called when a certificate that was trusted may not be trusted any longer."""
        self.tenants.listeners.append(lambda: self.changed())

    def refresh(self, files_changed: bool) -> TrustedClients:
        """Read the files if they have changed, and return the trust for new connections.

        Raises:
            TrustError: a file cannot be used. Then the trust stays as it was.
        """
        if files_changed or not self._is_read:
            self.current = read_trust(self._settings)
            self._is_read = True
            self.changed()
        return self.current

    async def verify(
        self, tenant_id: TenantId, identity: str, certificate: ClientCertificate
    ) -> CertificateVerdict:
        """Judge the certificate of a login.

        Raises:
            StoreUnavailable: the anchors of the tenant are not known.
        """
        if certificate.is_of_proxy:
            return CertificateVerdict("", judge_certificate(certificate, identity, None))
        if self._is_revoked(certificate):
            return CertificateVerdict(None, "The client certificate is revoked.")
        if certificate.chain:
            return await self.tenants.verify(tenant_id, identity, certificate)
        if certificate.anchor not in self.current.anchors:
            return CertificateVerdict(None, "The trust anchor of the client certificate is gone.")
        problem = judge_certificate(certificate, identity, self.current.organization)
        return CertificateVerdict(certificate.anchor, problem)

    def is_trusted(self, tenant_id: TenantId, certificate: ClientCertificate) -> bool:
        """Tell whether a certificate that a login has verified is still trusted."""
        if certificate.is_of_proxy:
            return True
        if self._is_revoked(certificate):
            return False
        return certificate.anchor in self.current.anchors or self.tenants.is_trusted(tenant_id, certificate)

    def _is_revoked(self, certificate: ClientCertificate) -> bool:
        return (certificate.issuer, certificate.serial) in self.current.revoked


def _do_nothing() -> None:
    pass


def read_trust(settings: Settings) -> TrustedClients:
    """Read the trust anchors and the revocation lists that the settings name.

    Raises:
        TrustError: a file is missing or is not what it should be.
    """
    if settings.tls_client_ca is None:
        return TrustedClients()
    variable = "STATIONMASTER_TLS_CLIENT_CA"
    try:
        found = x509.load_pem_x509_certificates(_bytes_of(variable, settings.tls_client_ca))
    except ValueError:
        raise TrustError(f"{variable}: {settings.tls_client_ca} has no PEM certificates") from None
    revoked = frozenset().union(*(_revoked_of(Path(path)) for path in settings.tls_client_revoked))
    return TrustedClients(
        b"\n".join(each.public_bytes(Encoding.PEM) for each in found),
        frozenset(map(anchor_fingerprint, found)),
        revoked,
        settings.tls_client_organization,
    )


def _revoked_of(path: Path) -> Revoked:
    variable = "STATIONMASTER_TLS_CLIENT_REVOKED"
    content = _bytes_of(variable, path)
    try:
        load = x509.load_pem_x509_crl if b"-----BEGIN" in content else x509.load_der_x509_crl
        listed = load(content)
    except ValueError:
        raise TrustError(f"{variable}: {path} is not a certificate revocation list") from None
    issuer = listed.issuer.public_bytes()
    return frozenset((issuer, revoked.serial_number) for revoked in listed)


def _bytes_of(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrustError(f"{variable}: {path}: {error.strerror}") from None
