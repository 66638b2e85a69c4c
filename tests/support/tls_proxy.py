"""Ends TLS in front of a plain server, with certificates made for the test."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """A certificate authority of a test, which writes its certificates into a directory."""

    directory: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, directory: Path, name: str) -> "Authority":
        """Make an authority. Its root is the file `{name}.pem`."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, name, key.public_key(), key, is_authority=True)
        (directory / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        return cls(directory, key, certificate)

    @property
    def root(self) -> Path:
        """The file of the root."""
        return self.directory / f"{_name(self.certificate)}.pem"

    def issue(self, name: str) -> tuple[Path, Path]:
        """Issue a certificate for 127.0.0.1. Return the files of certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = _name(self.certificate)
        certificate = _certificate(name, issuer, key.public_key(), self.key, is_authority=False)
        paths = (self.directory / f"{name}-by-{issuer}.pem", self.directory / f"{name}-by-{issuer}.key")
        paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return paths


def _name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _certificate(
    name: str, issuer: str, key: Any, signer: ec.EllipticCurvePrivateKey, *, is_authority: bool
) -> x509.Certificate:
    now = datetime.now(UTC)

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(address, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, SHA256())
    )


@dataclass
class TlsProxy:
    """Passes on what comes by TLS. clients: the common name of each client certificate, or None."""

    port: int
    plain_port: int
    clients: list[str | None] = field(default_factory=list)

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self.clients.append(None if not shown else _name(x509.load_der_x509_certificate(shown)))
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.plain_port)
        await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def tls_proxy(
    authority: Authority, plain_port: int, clients: Authority | None = None
) -> AsyncIterator[TlsProxy]:
    """Run a proxy. clients: the authority of client certificates, which are then required."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("server"))
    if clients is not None:
        context.load_verify_locations(clients.root)
        context.verify_mode = ssl.CERT_REQUIRED
    proxy = TlsProxy(0, plain_port)
    listener = await asyncio.start_server(proxy.serve_one, "127.0.0.1", 0, ssl=context)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
