"""Decides where a request may go: scheme, port and address (the egress guard). Nothing is resolved here."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from app.outgoing.records import Address, Network, OutgoingFailed, OutgoingFailure, RequestTarget

URL_LIMIT: Final = 2000
"""Characters of a URL."""

_CLOSED_V4: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            # The host services of Azure have this address in each of its networks.
            "168.63.129.16/32",
        ),
    )
)
"""Networks that are not public (RFC 6890)."""

_GLOBAL_V6: Final = ip_network("2000::/3")
"""The only part of IPv6 that has public addresses."""
_CLOSED_V6: Final = tuple(
    # Protocol assignments with Teredo and ORCHID, documentation.
    map(ip_network, ("2001::/23", "2001:db8::/32", "3fff::/20"))
)
_6TO4: Final = ip_network("2002::/16")
_NAT64: Final = ip_network("64:ff9b::/96")
_MAPPED: Final = ip_network("::ffff:0:0/96")
_COMPATIBLE: Final = ip_network("::/96")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})

_CLOSED_PORTS: Final = frozenset({2049, 3306, 3389, 5060, 5061, 5432, 6000, 6379, 6667, 9200, 11211, 27017})
"""Ports above 1023 of services that are not HTTP."""


def target_of(url: str, *, http_allowed: bool) -> RequestTarget:
    """Return the parts of a URL that requests may go to, as far as that is known without its addresses.

    Raises:
        OutgoingFailed: url_not_allowed.
    """
    if len(url) > URL_LIMIT or not url.isascii() or any(not "!" <= character <= "~" for character in url):
        raise _not_allowed(f"A URL has up to {URL_LIMIT} printable ASCII characters, and no blanks.")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise _not_allowed("This is not a URL.") from None
    if parts.scheme not in ("https", "http") or (parts.scheme == "http" and not http_allowed):
        raise _not_allowed(
            "The URL must begin with https://. The operator of the server allows http:// by "
            "STATIONMASTER_OUTGOING_HTTP_ALLOWED."
        )
    if "@" in parts.netloc or "\\" in url:
        raise _not_allowed("The URL must not name a user or a password.")
    if "#" in url:
        raise _not_allowed("The URL must not have a fragment.")
    if not host or not _is_host(host):
        raise _not_allowed("The URL names no valid host.")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    if not is_open_port(port):
        raise _not_allowed(f"Requests to the port {port} are not allowed.")
    query = f"?{parts.query}" if parts.query else ""
    return RequestTarget(parts.scheme, host, port, (parts.path or "/") + query)


def is_open_port(port: int) -> bool:
    """Tell whether requests may go to a port: those of HTTP, and those that programs choose themselves."""
    return port in (80, 443) or (1024 <= port <= 65535 and port not in _CLOSED_PORTS)


def address_of_host(host: str) -> Address | None:
    """Return the address that a host is in itself, None: it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Tell whether requests may go to an address: it is public, or in a network that the operator allows.

    An IPv6 address that leads to an IPv4 address is judged by that one, and must not be closed itself.
    """
    inner = embedded(address)
    if inner is not None:
        return is_allowed(inner, allowed)
    if any(address.version == network.version and address in network for network in allowed):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    if address.scope_id is not None or _is_isatap(address):
        return False
    return address in _GLOBAL_V6 and not any(address in network for network in _CLOSED_V6)


def embedded(address: Address) -> IPv4Address | None:
    """Return the IPv4 address to which an IPv6 address leads: mapped, compatible, NAT64 or 6to4."""
    if isinstance(address, IPv4Address):
        return None
    number = int(address)
    if address in _6TO4:
        return IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in _NAT64 or address in _MAPPED:
        return IPv4Address(number & 0xFFFFFFFF)
    if address in _COMPATIBLE and number > 1:
        return IPv4Address(number & 0xFFFFFFFF)
    return None


def _is_isatap(address: IPv6Address) -> bool:
    return int(address) >> 32 & 0xFFFFFFFF in _ISATAP


def _is_host(host: str) -> bool:
    """Tell whether a host is an address in its usual form, or a name.

    A name whose last label is a number is an IPv4 address to some libraries: 127.1, 0177.0.0.1, 2130706433.
    """
    if address_of_host(host) is not None:
        return "%" not in host
    labels = host.removesuffix(".").split(".")
    last = labels[-1]
    if last.isdecimal() or last.startswith("0x") or len(host) > 253:
        return False
    return all(0 < len(label) <= 63 and _is_label(label) for label in labels)


def _is_label(label: str) -> bool:
    return all(character.isalnum() or character in "-_" for character in label)


def _not_allowed(detail: str) -> OutgoingFailed:
    return OutgoingFailed(OutgoingFailure.URL_NOT_ALLOWED, detail)
