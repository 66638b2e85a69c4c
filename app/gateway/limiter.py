"""Limits login failures for each address, with token buckets in memory. It is asked before a credential.

A successful login takes no token: after a power cut a whole site reconnects from one address at once.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

_ENTRIES_LIMIT = 50_000
"""Buckets kept by each worker, a few MB. The oldest are dropped first. An attacker with more addresses than
that gains a full bucket for each address, which he has anyway."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class LoginLimiter:
    """Counts login failures for each address.

    A charge point that has logged in from an address before has a bucket of its own there. So an attacker
    behind the same router cannot lock it out.
    """

    def __init__(self, failures_per_minute: int) -> None:
        """Make a limiter. failures_per_minute: size of a bucket, which fills up within one minute."""
        self._size = float(failures_per_minute)
        self._buckets: dict[tuple[str, ...], _Bucket] = {}
        self._good: dict[tuple[str, ...], None] = {}

    def retry_after_s(self, address: str, tenant: str, identity: str, now: float) -> float:
        """Return the seconds until the next try is allowed, 0.0 if it is allowed now. now: monotonic."""
        bucket = self._buckets.get(self._key(address, tenant, identity))
        if bucket is None:
            return 0.0
        tokens = self._level(bucket, now)
        return 0.0 if tokens >= 1.0 else (1.0 - tokens) * 60.0 / self._size

    def failed(self, address: str, tenant: str, identity: str, now: float, weight: float = 1.0) -> None:
        """Take `weight` tokens. Tries that overlap may take a bucket below zero, down to minus its size."""
        key = self._key(address, tenant, identity)
        bucket = self._buckets.pop(key, None)
        tokens = self._size if bucket is None else self._level(bucket, now)
        self._buckets[key] = _Bucket(max(tokens - weight, -self._size), now)
        if len(self._buckets) > _ENTRIES_LIMIT:
            del self._buckets[next(iter(self._buckets))]

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

    def _level(self, bucket: _Bucket, now: float) -> float:
        return min(self._size, bucket.tokens + (now - bucket.at) * self._size / 60.0)


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
