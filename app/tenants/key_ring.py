"""From a bearer token to the API key behind it: parse, find, compare in constant time, remember for seconds.

Tokens are `sm_<prefix>_<secret>`. The store has HMAC-SHA256(pepper, secret) only. The prefix is no secret: it
finds the row, and names the key in listings and logs.
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
"""Longest time that a revocation on another worker stays unseen."""
CACHE_ENTRIES = 1024
FAILURE_ADDRESSES = 4096
USE_RECORDED_EVERY = timedelta(minutes=1)
"""`last_used_at` is no finer than this, so that reads do not write."""
_TOKEN = re.compile(r"sm_(?P<prefix>[A-Za-z0-9]{4,32})_(?P<secret>[A-Za-z0-9]{16,128})", re.ASCII)
_UNKNOWN_SECRET_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A token for its owner, and what the store keeps of it."""

    token: str
    prefix: str
    secret_hash: bytes


def secret_hash(pepper: str, secret: str) -> bytes:
    """HMAC-SHA256 of a secret with >= 128 bits of entropy: no slow hash is needed, a pepper is."""
    return hmac.digest(pepper.encode(), secret.encode(), hashlib.sha256)


def mint_key(pepper: str) -> MintedKey:
    """Make a new token: 48 bits of prefix, 192 bits of secret."""
    prefix, secret = secrets.token_hex(6), secrets.token_hex(24)
    return MintedKey(f"sm_{prefix}_{secret}", prefix, secret_hash(pepper, secret))


class KeyRing:
    """Verifies tokens; believes what it verified for seconds, so that hot reads do not query each time.

    The secret is compared on each request. What is kept is the stored row, never a token; rows that are too
    old to be believed still tell the keys in use from guesses.
    """

    def __init__(self, database: Database, clock: Clock, pepper: str, failures_per_minute: int) -> None:
        self._database = database
        self._clock = clock
        self._pepper = pepper
        self._limit = FailureLimit(failures_per_minute, FAILURE_ADDRESSES)
        self._known: OrderedDict[str, tuple[float, ApiKeyRecord]] = OrderedDict()

    async def authenticate(self, token: str | None, address: str) -> Principal:
        """The caller behind a token. address: of the peer, for the limit on failures.

        Raises:
            Unauthorized: no token, or one that is unknown, expired or revoked.
            TooManyRequests: this address failed too often; keys that were used here before are not affected.
        """
        if token is None:
            raise Unauthorized
        match = _TOKEN.fullmatch(token)
        prefix, secret = ("", "") if match is None else (match["prefix"], match["secret"])
        given = secret_hash(self._pepper, secret)
        known = self._known.get(prefix)
        # Who showed this very key before is no guesser, whatever others try from the same address.
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
        """Verify every key anew: one was revoked, or a tenant deleted, here."""
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
