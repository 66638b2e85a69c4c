"""The certificates of the server: checks them at the start, and makes the context for new connections.

A context does not change. When a file has changed, a new one is made, and connections that exist keep theirs.
"""

import hmac
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.gateway.client_trust import ClientTrust, TrustedClients, TrustError, read_trust
from app.logs import get_logger
from app.metrics import CERTIFICATE_EXPIRES
from app.ocpp import TlsContext
from app.settings import Settings

_TICKETS_S: Final = 43_200
"""Seconds in which session tickets are valid at most: then their keys change."""

_TICKET_SECRET: Final = secrets.token_bytes(32)
"""Workers are forked from a process that has loaded this module. So they share it, and nothing stores it."""

_LOG = get_logger(__name__)


_Parts = tuple[object, int, TrustedClients, bool]
"""The parts of a context: state of the files, period of the ticket keys, trust, whether all are accepted."""


class CertificateError(Exception):
    """A certificate or key cannot be used. The text is one line and names the variable."""


class ServerCertificates:
    """The context for new connections of one worker."""

    def __init__(self, settings: Settings, trust: ClientTrust) -> None:
        self._settings = settings
        self._trust = trust
        self._made_of: _Parts | None = None
        self._refused: object = None
        self._files: object = None
        self._context: TlsContext | None = None

    def context(self) -> TlsContext:
        """Return the context of the last successful `refresh`, which the first call makes."""
        if self._context is None:
            self.refresh()
        if self._context is None:
            raise CertificateError("there is no certificate that can be used")
        return self._context

    def refresh(self, *, even_unchanged: bool = False) -> bool:
        """Make a new context if files, trust or the keys of tickets have changed. Return whether it was made.

        If the files cannot be used, the last context stays. A file may be half written: the next call tries
        again.
        """
        files = _state_of_files(self._settings)
        period = int(time.time() // _TICKETS_S)
        try:
            trusted = self._trust.refresh(even_unchanged or files != self._files)
            accepts_unverified = self._trust.tenants.has_anchors
            parts = (files, period, trusted, accepts_unverified)
            if not even_unchanged and self._context is not None and _same(self._made_of, parts):
                return False
            self._context = TlsContext(
                _pairs(self._settings),
                _ticket_keys(period),
                trusted.pem if trusted.anchors or accepts_unverified else None,
                [(issuer, _big_endian(serial)) for issuer, serial in trusted.revoked],
                accepts_unverified,
            )
            CERTIFICATE_EXPIRES.set(_first_end(self._settings))
        except (TrustError, ValueError, OSError) as error:
            if self._refused != (files, str(error)):
                _LOG.error("certificates_refused", error=str(error))
            self._refused = (files, str(error))
            return False
        if self._made_of is not None:
            _LOG.info("certificates_loaded", files=len(self._settings.tls_certificates))
        self._made_of, self._files = parts, files
        return True


def _first_end(settings: Settings) -> float:
    """Return when the first certificate expires, in seconds since 1970."""
    leaves = (x509.load_pem_x509_certificate(Path(chain).read_bytes()) for chain, _ in _pairs(settings))
    return min(leaf.not_valid_after_utc.timestamp() for leaf in leaves)


def check_certificates(settings: Settings, now: datetime | None = None) -> None:
    """Check all files for TLS that the settings name. An expired certificate is only logged.

    Raises:
        CertificateError: one cannot be used.
    """
    for chain, key in _pairs(settings):
        _check_pair(chain, key, now or datetime.now(UTC))
    try:
        read_trust(settings)
    except TrustError as error:
        raise CertificateError(str(error)) from None


def _check_pair(chain: str, key: str, now: datetime) -> None:
    certificates, keys = "STATIONMASTER_TLS_CERTIFICATES", "STATIONMASTER_TLS_KEYS"
    try:
        leaf = x509.load_pem_x509_certificates(_content(certificates, chain))[0]
    except ValueError:
        raise CertificateError(f"{certificates}: {chain} has no PEM certificate") from None
    try:
        private = load_pem_private_key(_content(keys, key), None)
    except (ValueError, TypeError):
        raise CertificateError(f"{keys}: {key} has no PEM private key without password") from None
    if private.public_key() != leaf.public_key():
        raise CertificateError(f"{keys}: {key} is not the key of the certificate {chain}")
    if leaf.not_valid_after_utc <= now:
        _LOG.warning("certificate_expired", file=chain, expired_at=leaf.not_valid_after_utc.isoformat())
    elif leaf.not_valid_before_utc > now:
        _LOG.warning("certificate_not_valid_yet", file=chain, from_=leaf.not_valid_before_utc.isoformat())


def _content(variable: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CertificateError(f"{variable}: {path}: {error.strerror}") from None


def _pairs(settings: Settings) -> list[tuple[str, str]]:
    keys = settings.tls_keys or settings.tls_certificates
    return list(zip(settings.tls_certificates, keys, strict=True))


def _state_of_files(settings: Settings) -> tuple[object, ...]:
    """Return what changes when a file is written or replaced."""
    paths = [*settings.tls_certificates, *settings.tls_keys, *settings.tls_client_revoked]
    if settings.tls_client_ca is not None:
        paths.append(str(settings.tls_client_ca))
    return tuple(_state_of(path) for path in paths)


def _state_of(path: str) -> object:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _same(old: _Parts | None, new: _Parts) -> bool:
    return old is not None and old == new and old[2] is new[2]


def _ticket_keys(period: int) -> bytes:
    """Derive name, HMAC key and cipher key of one period (RFC 5077 4): 80 bytes."""
    blocks = (hmac.digest(_TICKET_SECRET, b"tickets %d %d" % (period, part), "sha512") for part in (1, 2))
    return b"".join(blocks)[:80]


def _big_endian(serial: int) -> bytes:
    """Return a serial number without its sign, as OpenSSL gives that of a certificate."""
    return abs(serial).to_bytes((serial.bit_length() + 7) // 8)
