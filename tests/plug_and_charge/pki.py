"""A small V2G PKI with contracts and an OCSP responder, made in the test."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from app.certificates.rules.hash_data import key_bits

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Held:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


def make(
    name: str,
    issuer: Held | None = None,
    *,
    is_authority: bool = False,
    ocsp_url: str | None = None,
    usage: x509.ObjectIdentifier | None = None,
    ends_in: timedelta = 365 * DAY,
) -> Held:
    """Make a certificate. issuer None: it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 400 * DAY)
        .not_valid_after(now + ends_in)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if ocsp_url is not None:
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp_url)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Held(builder.sign(key if issuer is None else issuer.key, SHA256()), key)


def hash_data(leaf: Held, issuer: Held, url: str | None = None) -> dict[str, Any]:
    """Return how a charge point names a certificate (OCSPRequestDataType)."""
    data = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": sha256(issuer.certificate.subject.public_bytes()).hexdigest(),
        "issuerKeyHash": sha256(key_bits(issuer.certificate)).hexdigest(),
        "serialNumber": f"{leaf.certificate.serial_number:X}",
    }
    return data if url is None else {**data, "responderURL": url}


@dataclass
class Responder:
    """An OCSP responder on a real socket.

    revoked, unknown: serial numbers; mode: right, hang, garbage, redirect, 500, unsigned (another key has
    signed), outdated, other (about another certificate), delegated (a delegate has signed), busy.
    """

    issuer: Held
    port: int = 0
    mode: str = "right"
    revoked: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    asked: list[ocsp.OCSPRequest] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    delegate: Held | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ocsp"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.heads.append(head)
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                request = ocsp.load_der_ocsp_request(await reader.readexactly(length))
                self.asked.append(request)
                if self.mode == "hang":
                    await asyncio.sleep(3600)
                body, status = self.answer(request), b"200 OK"
                if self.mode == "500":
                    status = b"500 Oops"
                if self.mode == "redirect":
                    status = b"302 Found\r\nLocation: http://169.254.169.254/"
                writer.write(
                    b"HTTP/1.1 %b\r\nContent-Type: application/ocsp-response\r\nContent-Length: %d\r\n\r\n%b"
                    % (status, len(body), body)
                )
                await writer.drain()
        writer.close()

    def answer(self, request: ocsp.OCSPRequest) -> bytes:
        if self.mode == "garbage":
            return b"\x30\x03not ocsp"
        if self.mode == "busy":
            failed = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
            return failed.public_bytes(Encoding.DER)
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        serial = request.serial_number + (self.mode == "other")
        status = ocsp.OCSPCertStatus.GOOD
        if serial in self.revoked:
            status = ocsp.OCSPCertStatus.REVOKED
        if serial in self.unknown:
            status = ocsp.OCSPCertStatus.UNKNOWN
        begin = now - 10 * DAY if self.mode == "outdated" else now - timedelta(minutes=1)
        signer = self.issuer
        if self.mode == "unsigned":
            signer = make("Mallory", is_authority=True)
        if self.mode == "delegated":
            signer = self.delegate = make("OCSP", self.issuer, usage=ExtendedKeyUsageOID.OCSP_SIGNING)
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            request.issuer_name_hash,
            request.issuer_key_hash,
            serial,
            request.hash_algorithm,
            status,
            begin,
            begin + DAY,
            now if status is ocsp.OCSPCertStatus.REVOKED else None,
            None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
        builder = builder.certificates([signer.certificate])
        return builder.sign(signer.key, SHA256()).public_bytes(Encoding.DER)


@dataclass
class Pki:
    """Roots and authorities of contracts, a contract, and the responder of its issuer."""

    root: Held
    sub: Held
    contract: Held
    responder: Responder

    @property
    def hashes(self) -> list[dict[str, Any]]:
        return [hash_data(self.contract, self.sub, self.responder.url)]

    @property
    def chain(self) -> str:
        return self.contract.pem + self.sub.pem


EMAID = "DE8AACA2B3C4D5N"


@contextlib.asynccontextmanager
async def pki() -> AsyncIterator[Pki]:
    """Make a PKI, and run its responder on a free port of 127.0.0.1."""
    root = make("MO Root", is_authority=True)
    sub = make("MO Sub", root, is_authority=True)
    responder = Responder(sub)
    serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving[asyncio.ensure_future(responder.serve(reader, writer))] = writer

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    responder.port = listening.sockets[0].getsockname()[1]
    contract = make(EMAID, sub, ocsp_url=responder.url)
    try:
        yield Pki(root, sub, contract, responder)
    finally:
        listening.close()
        for task, writer in serving.items():
            task.cancel()
            writer.transport.abort()
        if serving:
            await asyncio.wait(serving)
        await asyncio.sleep(0)


def wrapped(message_id: str, data: Any, vendor: str = "org.openchargealliance.iso15118pnc") -> dict[str, Any]:
    """Return the DataTransfer of a message. data: a text, or what becomes JSON."""
    text = data if isinstance(data, str) else json.dumps(data)
    return {"vendorId": vendor, "messageId": message_id, "data": text}
