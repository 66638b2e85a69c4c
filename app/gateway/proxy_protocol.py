"""Reads the header of the PROXY protocol, version 2, that a balancer sends before the bytes of its client.

See the specification of HAProxy, 2.2 and 2.2.6. Version 1 is text, and is not accepted. Pure functions.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from app.connection import ClientCertificate, TransportSecurity

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
FIXED_BYTES: Final = 16
"""Bytes of the part that every header has. It tells how many follow."""

LIMIT_BYTES: Final = 4096
"""The most bytes that may follow. A header with a whole certificate is below that."""

_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21
_TYPE_SSL, _SUBTYPE_CN = 0x20, 0x22
_CLIENT_SSL, _CLIENT_CERT = 0x01, 0x02 | 0x04
_ADDRESSES: Final = {_TCP4: struct.Struct("!4s4sHH"), _TCP6: struct.Struct("!16s16sHH")}


class ProxyHeaderError(ValueError):
    """The header is not one of version 2, or breaks its rules."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The client behind a proxy.

    client, server: its address and the one that it connected to; None: unknown.
    """

    client: tuple[str, int] | None = None
    server: tuple[str, int] | None = None
    security: TransportSecurity | None = None


LOCAL: Final = Origin()
"""A connection of the proxy itself, for instance to check whether the server lives."""


def rest_bytes(fixed: bytes) -> int:
    """Return how many bytes follow the fixed part.

    Raises:
        ProxyHeaderError: it is not the fixed part of a header, or too many follow.
    """
    if fixed[:12] != SIGNATURE or fixed[12] not in (_LOCAL, _PROXY):
        raise ProxyHeaderError("no header of version 2")
    count: int = struct.unpack_from("!H", fixed, 14)[0]
    if count > LIMIT_BYTES:
        raise ProxyHeaderError("the header is too long")
    return count


def read_header(fixed: bytes, rest: bytes, *, certificates: bool) -> Origin:
    """Read a whole header.

    certificates: whether a client certificate counts that the proxy says to have verified.

    Raises:
        ProxyHeaderError: an address or an extension is cut off.
    """
    if fixed[12] == _LOCAL or fixed[13] == _UNSPECIFIED:
        return LOCAL
    layout = _ADDRESSES.get(fixed[13])
    if layout is None:
        raise ProxyHeaderError("the client does not use TCP")
    if len(rest) < layout.size:
        raise ProxyHeaderError("the addresses are cut off")
    source, destination, source_port, destination_port = layout.unpack_from(rest)
    read = IPv4Address if fixed[13] == _TCP4 else IPv6Address
    extensions = _extensions(rest[layout.size :])
    security = None
    if _TYPE_SSL in extensions:
        security = _read_tls(extensions[_TYPE_SSL], certificates)
    return Origin((str(read(source)), source_port), (str(read(destination)), destination_port), security)


def _read_tls(value: bytes, certificates: bool) -> TransportSecurity | None:
    """Read PP2_TYPE_SSL: what the proxy says about TLS between its client and itself."""
    if len(value) < 5:
        raise ProxyHeaderError("an extension is cut off")
    client, failed = value[0], struct.unpack_from("!I", value, 1)[0]
    if not client & _CLIENT_SSL:
        return None
    name = _extensions(value[5:]).get(_SUBTYPE_CN)
    if not certificates or not client & _CLIENT_CERT or failed or name is None:
        return TransportSecurity(tls=True)
    try:
        common_name = name.decode("utf-8")
    except UnicodeDecodeError:
        raise ProxyHeaderError("the common name is not UTF-8") from None
    return TransportSecurity(True, ClientCertificate(common_name, None, 0, b"", "", ""))


def _extensions(data: bytes) -> dict[int, bytes]:
    """Read type, length and value of each extension. The first one of a type counts."""
    found: dict[int, bytes] = {}
    place = 0
    while place < len(data):
        if len(data) - place < 3:
            raise ProxyHeaderError("an extension is cut off")
        kind, length = struct.unpack_from("!BH", data, place)
        place += 3
        if len(data) - place < length:
            raise ProxyHeaderError("an extension is cut off")
        found.setdefault(kind, data[place : place + length])
        place += length
    return found
