"""A TLS connection of the core as a transport of asyncio, for the protocols that serve it before its login.

After the login its protocol writes to the `Socket` itself (`sockets`), and this object is gone.
"""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app.connection import ClientCertificate, TransportSecurity
from app.gateway.transport import SECURITY, ByteTransport, Reader
from app.ocpp import Socket


class CoreTransport(asyncio.Transport):
    """One connection. `attach` gives it its socket. The core calls the protocol, not this object."""

    def __init__(self, peer: Any, own: Any) -> None:
        """peer, own: the addresses of the two ends, as a socket returns them."""
        super().__init__()
        self._names = {"peername": peer, "sockname": own}
        self._socket: Socket | None = None
        self._protocol: asyncio.BaseProtocol | None = None

    def attach(self, socket: Socket, protocol: asyncio.BaseProtocol) -> None:
        """Begin. protocol: that of the socket."""
        self._socket, self._protocol = socket, protocol

    def hand_over(self, protocol: asyncio.Protocol, reader: Reader) -> ByteTransport:
        """Give the socket to a protocol that reads by `reader`, and return it."""
        socket = self._attached()
        socket.switch(protocol, reader)
        return socket

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return an address, whether there is TLS, or `SECURITY`."""
        if name == "sslcontext":
            return True
        if name == SECURITY:
            return _security_of(self._attached())
        return self._names.get(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that gets the bytes."""
        if self._protocol is None:
            raise RuntimeError("the transport is not attached")
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Go on with another protocol."""
        self._protocol = protocol
        self._attached().switch(protocol, None)

    def is_closing(self) -> bool:
        """Tell whether nothing more is read."""
        return self._attached().is_closing()

    def close(self) -> None:
        """Send what was written, then close. Before the handshake of TLS is complete, nothing can be sent."""
        self._attached().close()

    def abort(self) -> None:
        """Close at once."""
        self._attached().abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, or keep the bytes until the peer reads."""
        self._attached().write(bytes(data))

    def can_write_eof(self) -> bool:
        """Return False: TLS ends in both directions at the same time, as most clients see it."""
        return False

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`, the handshake of TLS included."""
        self._attached().pause_reading()

    def resume_reading(self) -> None:
        """Continue to read."""
        self._attached().resume_reading()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the peer has not read yet."""
        return self._attached().get_write_buffer_size()

    def _attached(self) -> Socket:
        if self._socket is None:
            raise RuntimeError("the transport is not attached")
        return self._socket


def _security_of(socket: Socket) -> TransportSecurity:
    encryption = socket.encryption()
    if encryption is None or encryption.certificate is None:
        return TransportSecurity(tls=True)
    return TransportSecurity(
        True, certificate_record(encryption.certificate, encryption.anchor, encryption.others)
    )


def certificate_record(
    certificate: bytes, anchor: bytes | None, others: Sequence[bytes] = ()
) -> ClientCertificate:
    """Return what is known of a certificate.

    Args:
        certificate: DER.
        anchor: The trust anchor that TLS has found, DER; None: it has not verified the certificate.
        others: What else the client has sent, DER.
    """
    fingerprint = sha256(certificate).hexdigest()
    found = "" if anchor is None else sha256(anchor).hexdigest()
    chain = (certificate, *others) if anchor is None else ()
    try:
        read = x509.load_der_x509_certificate(certificate)
        # Its members are read here only: a damaged one must fail within this block.
        names = _only(read.subject, NameOID.COMMON_NAME), _only(read.subject, NameOID.ORGANIZATION_NAME)
        serial, issuer = read.serial_number, read.issuer.public_bytes()
    except (ValueError, TypeError):
        # OpenSSL is more tolerant. Without a name it is the certificate of no charge point.
        return ClientCertificate("", None, 0, b"", fingerprint, found, chain)
    return ClientCertificate(names[0] or "", names[1], serial, issuer, fingerprint, found, chain)


def anchor_fingerprint(anchor: x509.Certificate) -> str:
    """Return the name of a trust anchor, as in `ClientCertificate.anchor`."""
    return sha256(anchor.public_bytes(Encoding.DER)).hexdigest()


def _only(name: x509.Name, of: x509.ObjectIdentifier) -> str | None:
    """Return an attribute that a name has exactly once: of several, none is the name of a charge point."""
    found = name.get_attributes_for_oid(of)
    return str(found[0].value) if len(found) == 1 else None
