"""Counts login failures by address and by identity, and finds a client's address.

This is the count of one worker. `failed` says what to take from the buckets that all workers share.

A success counts nothing: after a power cut a whole site reconnects from one address at once.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

from app.live.shared_buckets import Bucket
from app.token_buckets import TokenBuckets

Network = IPv4Network | IPv6Network

_ENTRIES_LIMIT: Final = 50_000
"""Addresses, identities and pairs that each worker remembers, a few MB."""

_SHARED: Final = "logins"
"""The first part of the keys of buckets that all workers share."""

MISSING_CREDENTIAL_WEIGHT: Final = 0.1
"""Some chargers send their credential only after a 401, so a missing one counts as a tenth of a failure."""


class Pair(NamedTuple):
    """A charge point at an address. network: what one subscriber has."""

    network: str
    tenant: str
    identity: str


class LoginLimiter:
    """Counts failed logins. A wrong password takes a token of its address, and one of its identity.

    A charge point that has logged in from an address before has a bucket of its own there, and needs no other
    one. So an attacker behind the same router, or one that tries its identity elsewhere, cannot lock it out.
    """

    def __init__(self, failures_per_minute: int) -> None:
        """Make a limiter. failures_per_minute: how many are allowed."""
        self._limit = TokenBuckets(failures_per_minute, 2 * _ENTRIES_LIMIT)
        self._good: dict[Pair, None] = {}

    def retry_after_s(self, pair: Pair, now: float) -> float:
        """Return the seconds until there are tokens again, 0.0 if there are some now. now: monotonic."""
        return max(self._limit.retry_after_s(key, now) for key in self._keys(pair))

    def rank(self, pair: Pair, now: float) -> int:
        """Return how early a pair without tokens is judged; 0 is the earliest.

        0: it has logged in before; 1: its address has tokens, so others try its identity; 2: all others.
        """
        if pair in self._good:
            return 0
        return 1 if self._limit.retry_after_s((pair.network,), now) == 0.0 else 2

    def failed(self, pair: Pair, now: float, *, guessed: bool) -> tuple[Bucket, ...]:
        """Count a failure, and return what was taken.

        guessed: there was a credential, so that it may be an attempt to guess one.
        """
        keys = self._keys(pair) if guessed else self._keys(pair)[:1]
        weight = 1.0 if guessed else MISSING_CREDENTIAL_WEIGHT
        for key in keys:
            self._limit.take(key, now, weight)
        return tuple(Bucket((_SHARED, *key), self._limit.per_minute, weight) for key in keys)

    def learn(self, buckets: Sequence[Bucket], left: Iterable[float], now: float) -> None:
        """Count what other workers have taken. left: the tokens of each bucket that all of them share."""
        for bucket, tokens in zip(buckets, left, strict=True):
            self._limit.lower(bucket.key[1:], now, tokens)

    def succeeded(self, pair: Pair) -> None:
        """Remember that this charge point has logged in from this address."""
        self._good.pop(pair, None)
        self._good[pair] = None
        if len(self._good) > _ENTRIES_LIMIT:
            del self._good[next(iter(self._good))]

    def _keys(self, pair: Pair) -> tuple[tuple[str, ...], ...]:
        if pair in self._good:
            return (tuple(pair),)
        return ((pair.network,), (pair.tenant, pair.identity))


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
    if forwarded_for is None or not is_trusted(peer, trusted):
        return peer
    for hop in reversed(forwarded_for.split(",")):
        candidate = hop.strip()
        if _parse(candidate) is None:
            break
        peer = candidate
        if not is_trusted(candidate, trusted):
            break
    return peer


def parse_networks(texts: list[str]) -> tuple[Network, ...]:
    """Read networks from CIDR texts.

    Raises:
        ValueError: a text is not a network.
    """
    return tuple(ip_network(text, strict=False) for text in texts)


def is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    """Tell whether an address is in one of the networks."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        # A socket for both families reports IPv4 addresses so.
        parsed = parsed.ipv4_mapped or parsed
    return parsed is not None and any(parsed in network for network in trusted)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
