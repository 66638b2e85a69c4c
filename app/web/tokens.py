"""Verifies the tokens of `minted_keys`: parses a token, finds its key, and compares the secret."""

import hmac
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol
from uuid import UUID

from app.clock import Clock
from app.errors import TenantSuspended, TooManyRequests, Unauthorized
from app.token_buckets import TokenBuckets
from app.types import Scope, TenantId
from app.web.access import Principal
from app.web.minted_keys import secret_hash
from app.web.rate_limits import rate_limit_headers

CACHE_LIFETIME_S = 5.0
"""The longest time until a revocation takes effect, if this worker does not learn of it sooner."""
CACHE_ENTRIES = 1024
FAILURE_ADDRESSES = 4096
USE_RECORDED_EVERY = timedelta(minutes=1)
"""The resolution of `last_used_at`, so that most requests do not write."""
_TOKEN = re.compile(r"sm_(?P<prefix>[A-Za-z0-9]{4,32})_(?P<secret>[A-Za-z0-9]{16,128})", re.ASCII)
_UNKNOWN_SECRET_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The stored part of a key that verifies a token. tenant_id None: a key of the platform.

    allowed_origins: those of its tenant; none for the platform.
    suspension_reason: why its tenant is kept out.
    """

    id: UUID
    prefix: str
    secret_hash: bytes
    tenant_id: TenantId | None
    scopes: frozenset[Scope]
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    allowed_origins: tuple[str, ...] = ()
    suspension_reason: str | None = None

    def is_usable(self, now: datetime) -> bool:
        """Tell whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class StoredKeys(Protocol):
    """The keys that are stored."""

    async def find(self, prefix: str) -> StoredKey | None:
        """Return the key of this prefix, whether or not it is usable."""

    async def touch(self, key_id: UUID, at: datetime) -> None:
        """Record that a key was used."""


class TokenVerifier:
    """Verifies tokens. It caches keys for `CACHE_LIFETIME_S`, so that frequent requests need no query.

    The secret is compared at each request. The cache has stored keys, never a token. A cached key that must
    be read again still shows that its token was used here before, so the token is not a guess.
    """

    def __init__(self, keys: StoredKeys, clock: Clock, pepper: str, failures_per_minute: int) -> None:
        self._keys = keys
        self._clock = clock
        self._pepper = pepper
        self._limit = TokenBuckets(failures_per_minute, FAILURE_ADDRESSES)
        self._cache: OrderedDict[str, tuple[float, StoredKey]] = OrderedDict()
        self._forgotten = 0

    async def authenticate(self, token: str | None, address: str) -> Principal:
        """Return the caller that a token belongs to. address: of the client, for the limit on failures.

        Raises:
            Unauthorized: the token is missing, unknown, expired or revoked.
            TenantSuspended: it is valid, and its tenant is kept out.
            TooManyRequests: this address has failed too often. Keys that were used here before still work.
        """
        if token is None:
            raise Unauthorized
        match = _TOKEN.fullmatch(token)
        prefix, secret = ("", "") if match is None else (match["prefix"], match["secret"])
        given = secret_hash(self._pepper, secret)
        known = self._cache.get(prefix)
        # A key that was used here before is not a guess, whatever other clients try from the same address.
        if known is None or not hmac.compare_digest(given, known[1].secret_hash):
            self._refuse_flood(address)
        kept, forgotten = self._fresh(prefix), self._forgotten
        key = kept or (None if match is None else await self._keys.find(prefix))
        expected = _UNKNOWN_SECRET_HASH if key is None else key.secret_hash
        usable = key is not None and key.is_usable(self._clock.now())
        if not usable:
            self._cache.pop(prefix, None)
        if not hmac.compare_digest(given, expected) or key is None or not usable:
            self._limit.take((address,), self._clock.monotonic())
            raise Unauthorized
        if kept is None:
            await self._remember(key, forgotten)
        if key.suspension_reason is not None:
            raise TenantSuspended(key.suspension_reason)
        return Principal(key.id, key.prefix, key.tenant_id, key.scopes, key.allowed_origins)

    def forget(self) -> None:
        """Read every key again at its next use, because a key was revoked or a tenant was kept out."""
        self._forgotten += 1
        for prefix, (_, key) in self._cache.items():
            self._cache[prefix] = (float("-inf"), key)

    def _refuse_flood(self, address: str) -> None:
        now = self._clock.monotonic()
        wait_s = self._limit.retry_after_s((address,), now)
        if wait_s > 0.0:
            raise TooManyRequests(
                "Too many requests without a valid API key from this address.",
                max(1, ceil(wait_s)),
                rate_limit_headers("refused-keys", self._limit, (address,), now),
            )

    def _fresh(self, prefix: str) -> StoredKey | None:
        entry = self._cache.get(prefix)
        if entry is None or self._clock.monotonic() - entry[0] > CACHE_LIFETIME_S:
            return None
        return entry[1]

    async def _remember(self, key: StoredKey, forgotten: int) -> None:
        """Keep a key. forgotten: how often all were forgotten before it was read."""
        now = self._clock.now()
        if key.last_used_at is None or now - key.last_used_at >= USE_RECORDED_EVERY:
            await self._keys.touch(key.id, now)
        read_at = self._clock.monotonic() if forgotten == self._forgotten else float("-inf")
        self._cache[key.prefix] = (read_at, key)
        self._cache.move_to_end(key.prefix)
        while len(self._cache) > CACHE_ENTRIES:
            self._cache.popitem(last=False)
