"""Certificates and signatures for tests of signed firmware."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

IMAGE = b"firmware 3.2.0"
DIGEST = hashlib.sha256(IMAGE).digest()
SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Signer:
    """A manufacturer: a key, and its certificate."""

    key: Key
    pem: str

    def sign(self, scheme: padding.AsymmetricPadding | None = None, image: bytes = IMAGE) -> str:
        """Return the signature of an image in base64. scheme: of RSA; None: PSS."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            raw = self.key.sign(image, ec.ECDSA(SHA256()))
        elif isinstance(self.key, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
            raw = self.key.sign(image, scheme or pss, SHA256())
        else:
            raw = self.key.sign(image)
        return base64.b64encode(raw).decode()

    @property
    def private_pem(self) -> str:
        raw = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return raw.decode()


@cache
def rsa_signer(since: datetime = SINCE, until: datetime = UNTIL) -> Signer:
    return _signer(rsa.generate_private_key(65537, 2048), since, until)


@cache
def ec_signer() -> Signer:
    return _signer(ec.generate_private_key(ec.SECP256R1()), SINCE, UNTIL)


@cache
def ed25519_signer() -> Signer:
    return _signer(ed25519.Ed25519PrivateKey.generate(), SINCE, UNTIL)


def _signer(key: Key, since: datetime, until: datetime) -> Signer:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "VendorOne firmware")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, since, until)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
    certificate = builder.sign(key, algorithm)
    return Signer(key, certificate.public_bytes(serialization.Encoding.PEM).decode())
