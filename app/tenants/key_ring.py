"""Verifies API keys: parses a bearer token, finds its key, compares the secret, and caches for seconds.

A token is `sm_<prefix>_<secret>`. Only HMAC-SHA256(pepper, secret) is stored. The prefix is not secret: it
finds the row, and names the key in lists and logs.
"""

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from app.clock import Clock
from app.database.database import Database
from app.errors import TooManyRequests, Unauthorized
from app.failure_limit import FailureLimit
from app.tenants.records import ApiKeyRecord
from app.tenants.store import ApiKeyStore
from app.types import TenantId
from app.web.access import Principal

CACHE_LIFETIME_S = 5.0
"""The longest time until a revocation on another worker takes effect here."""
CACHE_ENTRIES = 1024
FAILURE_ADDRESSES = 4096
USE_RECORDED_EVERY = timedelta(minutes=1)
"""The resolution of `last_used_at`, so that most requests do not write."""
_TOKEN = re.compile(r"sm_(?P<prefix>[A-Za-z0-9]{4,32})_(?P<secret>[A-Za-z0-9]{16,128})", re.ASCII)
_UNKNOWN_SECRET_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new token, with its two parts that are stored."""

    token: str
    prefix: str
    secret_hash: bytes


def secret_hash(pepper: str, secret: str) -> bytes:
    """Return HMAC-SHA256 of a secret. It has >= 128 bits of entropy, so a slow hash is not needed."""
    return hmac.digest(pepper.encode(), secret.encode(), hashlib.sha256)


def mint_key(pepper: str) -> MintedKey:
    """Make a new token with 48 bits of prefix and 192 bits of secret."""
    prefix, secret = secrets.token_hex(6), secrets.token_hex(24)
    return MintedKey(f"sm_{prefix}_{secret}", prefix, secret_hash(pepper, secret))


class KeyRing:
    """Verifies tokens. It caches keys for `CACHE_LIFETIME_S`, so that frequent requests need no query.

    The secret is compared at each request. The cache has stored rows, never a token. A row that is too old to
    be trusted still tells a key in use from a guess.
    """

    def __init__(self, database: Database, clock: Clock, pepper: str, failures_per_minute: int) -> None:
        self._database = database
        self._clock = clock
        self._pepper = pepper
        self._limit = FailureLimit(failures_per_minute, FAILURE_ADDRESSES)
        self._known: OrderedDict[str, tuple[float, ApiKeyRecord]] = OrderedDict()

    async def authenticate(self, token: str | None, address: str) -> Principal:
        """Return the caller that a token belongs to. address: of the client, for the limit on failures.

        Raises:
            Unauthorized: the token is missing, unknown, expired or revoked.
            TooManyRequests: this address has failed too often. Keys that were used here before still work.
        """
        if token is None:
            raise Unauthorized
        match = _TOKEN.fullmatch(token)
        prefix, secret = ("", "") if match is None else (match["prefix"], match["secret"])
        given = secret_hash(self._pepper, secret)
        known = self._known.get(prefix)
        # A key that was used here before is not a guess, whatever other clients try from the same address.
        if known is None or not hmac.compare_digest(given, known[1].secret_hash):
            self._refuse_flood(address)
        kept = self._kept(prefix)
        record = kept or (None if match is None else await self._find(prefix))
        expected = _UNKNOWN_SECRET_HASH if record is None else record.secret_hash
        usable = record is not None and self._usable(record)
        if not usable:
            self._known.pop(prefix, None)
        if not hmac.compare_digest(given, expected) or record is None or not usable:
            self._limit.failed((address,), self._clock.monotonic())
            raise Unauthorized
        if kept is None:
            await self._remember(record)
        tenant_id = None if record.tenant_id is None else TenantId(record.tenant_id)
        return Principal(record.id, record.prefix, tenant_id, frozenset(record.scopes))

    def forget(self) -> None:
        """Let every key be read again, because a key was revoked or a tenant was deleted here."""
        for prefix, (_, record) in self._known.items():
            self._known[prefix] = (float("-inf"), record)

    def _refuse_flood(self, address: str) -> None:
        wait_s = self._limit.retry_after_s((address,), self._clock.monotonic())
        if wait_s > 0.0:
            raise TooManyRequests(
                "Too many requests without a valid API key from this address.", max(1, ceil(wait_s))
            )

    def _usable(self, record: ApiKeyRecord) -> bool:
        expired = record.expires_at is not None and record.expires_at <= self._clock.now()
        return record.revoked_at is None and not expired

    def _kept(self, prefix: str) -> ApiKeyRecord | None:
        entry = self._known.get(prefix)
        if entry is None or self._clock.monotonic() - entry[0] > CACHE_LIFETIME_S:
            return None
        return entry[1]

    async def _find(self, prefix: str) -> ApiKeyRecord | None:
        async with self._database.platform() as work:
            return await ApiKeyStore(work).find_by_prefix(prefix)

    async def _remember(self, record: ApiKeyRecord) -> None:
        now = self._clock.now()
        if record.last_used_at is None or now - record.last_used_at >= USE_RECORDED_EVERY:
            async with self._database.platform() as work:
                await ApiKeyStore(work).touch(record.id, now)
        self._known[record.prefix] = (self._clock.monotonic(), record)
        self._known.move_to_end(record.prefix)
        while len(self._known) > CACHE_ENTRIES:
            self._known.popitem(last=False)
