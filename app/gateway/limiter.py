"""Counts login failures for each address before a credential is checked, and finds a client's address.

A success counts nothing: after a power cut a whole site reconnects from one address at once.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from app.token_buckets import TokenBuckets

Network = IPv4Network | IPv6Network

_ENTRIES_LIMIT = 50_000
"""Addresses that each worker remembers, a few MB."""


class LoginLimiter:
    """Counts login failures for each address.


    A charge point that has logged in from an address before has a bucket of its own there. So an attacker
    behind the same router cannot lock it out.
    """

    def __init__(self, failures_per_minute: int) -> None:
        """Make a limiter. failures_per_minute: how many are allowed."""
        self._limit = TokenBuckets(failures_per_minute, _ENTRIES_LIMIT)
        self._good: dict[tuple[str, ...], None] = {}

    def retry_after_s(self, address: str, tenant: str, identity: str, now: float) -> float:
        """Return the seconds until the next attempt is allowed, 0.0 if it is allowed now. now: monotonic."""
        return self._limit.retry_after_s(self._key(address, tenant, identity), now)

    def failed(self, address: str, tenant: str, identity: str, now: float, weight: float = 1.0) -> None:
        """Count a failure. weight: how much of one."""
        self._limit.take(self._key(address, tenant, identity), now, weight)

    def succeeded(self, address: str, tenant: str, identity: str) -> None:
        """Remember that this charge point has logged in from this address."""
        key = (network_of(address), tenant, identity)
        self._good.pop(key, None)
        self._good[key] = None
        if len(self._good) > _ENTRIES_LIMIT:
            del self._good[next(iter(self._good))]

    def _key(self, address: str, tenant: str, identity: str) -> tuple[str, ...]:
        own = (network_of(address), tenant, identity)
        return own if own in self._good else own[:1]


def network_of(address: str) -> str:
    """Return what one subscriber has: an IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    parsed = _parse(address)
    if not isinstance(parsed, IPv6Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(IPv6Network((parsed, 64), strict=False))


def client_address(peer: str, forwarded_for: str | None, trusted: tuple[Network, ...]) -> str:
    """Return the address of the client: the peer, or the address that the last trusted proxy reports.

    forwarded_for: the value of X-Forwarded-For. It is read from the right, and only if the peer is trusted.
    """
    if forwarded_for is None or not _is_trusted(peer, trusted):
        return peer
    for hop in reversed(forwarded_for.split(",")):
        candidate = hop.strip()
        if _parse(candidate) is None:
            break
        peer = candidate
        if not _is_trusted(candidate, trusted):
            break
    return peer


def parse_networks(texts: list[str]) -> tuple[Network, ...]:
    """Read networks from CIDR texts.

    Raises:
        ValueError: a text is not a network.
    """
    return tuple(ip_network(text, strict=False) for text in texts)


def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
