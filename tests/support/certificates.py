"""Keys, signing requests, roots and chains as charge points and operators have them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
ORGANIZATION = "Acme Charging"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


def key_of(kind: str, number: int = 0) -> Any:
    """Return a key, always the same for the same arguments. kind: `ecdsa`, `p224`, `rsa2048`, `ed25519`..."""
    return _made(kind, number)


@cache
def _made(kind: str, number: int) -> Any:
    del number
    if kind.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind[3:] or 2048))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"ecdsa": ec.SECP256R1(), "p224": ec.SECP224R1(), "p384": ec.SECP384R1()}
    return ec.generate_private_key(curves[kind])


def name_of(common_name: str | None, organization: str | None = ORGANIZATION) -> x509.Name:
    """Return a name."""
    parts = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common_name)]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text is not None])


def signing_request(
    identity: str | None,
    kind: str = "ecdsa",
    *,
    number: int = 0,
    organization: str | None = ORGANIZATION,
    digest: SHA224 | SHA384 | None = None,
    pss: bool = False,
) -> str:
    """Return a signing request in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(identity, organization))
    algorithm = None if kind == "ed25519" else digest or SHA256()
    options: dict[str, Any] = {}
    if pss:
        options["rsa_padding"] = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
    signed = builder.sign(key_of(kind, number), algorithm, **options)
    return signed.public_bytes(Encoding.PEM).decode()


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)


def issue(
    name: str | None,
    issuer: Issued | None = None,
    *,
    kind: str = "ecdsa",
    number: int = 0,
    is_authority: bool = True,
    begin: datetime = BEGIN,
    end: datetime | None = None,
    organization: str | None = ORGANIZATION,
    serial: int | None = None,
    public_key: Any = None,
) -> Issued:
    """Return a certificate. issuer None: it signs itself; public_key: of a request, instead of a new one."""
    key = key_of(kind, number)
    subject = name_of(name, organization)
    signer = key if issuer is None else issuer.key
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(public_key or key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end or begin + 10 * YEAR)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(signer, SHA256())
    )
    return Issued(certificate, key)


def chain_of(*issued: Issued) -> str:
    """Return a chain in PEM."""
    return "".join(one.pem for one in issued)
