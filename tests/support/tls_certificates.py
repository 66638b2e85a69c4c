"""Makes certificates for the tests of TLS, as a certificate authority of an operator does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def ecdsa_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key() -> Key:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, directory: Path, name: str, chain: Sequence["Issued"] = ()) -> tuple[str, str]:
        """Write name.pem and name.key, and return both paths."""
        certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        certificate.write_bytes(b"".join([self.pem, *(each.pem for each in chain)]))
        key.write_bytes(self.key_pem)
        return str(certificate), str(key)


class Authority(Issued):
    """A certificate authority. parent: the one that has issued it; None: it is a root."""

    def __init__(self, name: str, parent: "Authority | None" = None) -> None:
        key = ecdsa_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if parent is None else parent.certificate.subject
        builder = _builder(subject, issuer, key).add_extension(
            x509.BasicConstraints(True, None), critical=True
        )
        super().__init__(builder.sign(key if parent is None else parent.key, hashes.SHA256()), key)

    def server(self, *names: str, key: Key | None = None, ends_in: timedelta = DAY) -> Issued:
        """Issue the certificate of a server for DNS names."""
        key = key or ecdsa_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = _builder(subject, self.certificate.subject, key, ends_in).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return Issued(builder.add_extension(usage, critical=False).sign(self.key, hashes.SHA256()), key)

    def client(self, common_name: str, organization: str | None = None, ends_in: timedelta = DAY) -> Issued:
        """Issue the certificate of a charge point."""
        key = ecdsa_key()
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if organization is not None:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = _builder(x509.Name(attributes), self.certificate.subject, key, ends_in)
        return Issued(builder.add_extension(usage, critical=False).sign(self.key, hashes.SHA256()), key)

    def revocations(self, *revoked: Issued) -> bytes:
        """Issue a revocation list, PEM."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(now + DAY)
        )
        for each in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, ends_in: timedelta = DAY
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * DAY)
        .not_valid_after(now + ends_in)
    )
