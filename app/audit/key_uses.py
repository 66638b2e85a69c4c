"""Tells the audit from where API keys are used: one entry a day for each key and address.

A request only looks whether its key and address are known. Entries are written in the background, and Redis
says whether another worker was first. While it does not answer, each worker writes an entry of its own.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Final
from uuid import UUID

from app.audit.records import NewAuditEntry
from app.audit.store import add_of_tenants
from app.clock import Clock
from app.database.database import Database
from app.errors import AppError
from app.live.connect import FAILURES, LiveRedis
from app.live.keys import key_use_key
from app.logs import get_logger
from app.metrics import LIMITS_HIT, REDIS_FAILURES
from app.tasks import PeriodicTask
from app.web.access import Principal

ADDRESSES_OF_KEY: Final = 32
"""Entries of one key and day, by one worker: a thief with many addresses does not fill the audit."""
_USES: Final = 10_000
"""Keys with addresses that a worker remembers for a day, about 2 MB. Beyond it the oldest are forgotten."""
_INTERVAL_S: Final = 1.0
_DAY_S: Final = 86_400
_CLAIM_S: Final = 60
"""Seconds in which no other worker writes the entry. If this one dies before its commit, the next does."""
_ANSWER_TIMEOUT_S: Final = 0.25
_LOG = get_logger(__name__)

Authenticate = Callable[[str | None, str], Awaitable[Principal]]


class KeyUses:
    """The uses of API keys at one worker."""

    def __init__(self, database: Database, redis: LiveRedis, clock: Clock) -> None:
        self._database = database
        self._redis = redis
        self._clock = clock
        self._day = clock.now().date()
        self._known: dict[tuple[UUID, str], None] = {}
        self._of_key: Counter[UUID] = Counter()
        self._waiting: dict[str, NewAuditEntry] = {}
        self._claimed: set[str] = set()
        self._writing = asyncio.Lock()
        self._task: PeriodicTask | None = None

    def start(self) -> None:
        """Write in the background from now on."""
        self._task = PeriodicTask(self._step, "key_uses")

    async def close(self) -> None:
        """Write what waits, and stop."""
        if self._task is not None:
            await self._task.stop()
        await self.flush()

    def noted(self, authenticate: Authenticate) -> Authenticate:
        """Return a function that authenticates, and notes each caller."""

        async def authenticate_and_note(token: str | None, address: str) -> Principal:
            principal = await authenticate(token, address)
            self.note(principal, address)
            return principal

        return authenticate_and_note

    def note(self, principal: Principal, address: str) -> None:
        """Keep the first use of a key from an address on this day for the next write."""
        now = self._clock.now()
        if now.date() != self._day:
            self._day = now.date()
            self._known.clear()
            self._of_key.clear()
        use = (principal.key_id, address)
        if use in self._known:
            return
        if self._of_key[principal.key_id] >= ADDRESSES_OF_KEY:
            LIMITS_HIT.labels("key_addresses").inc()
            return
        if len(self._known) >= _USES:
            # Redis still knows it, so that it has no second entry.
            self._known.pop(next(iter(self._known)))
        self._known[use] = None
        self._of_key[principal.key_id] += 1
        actor = f"key:{principal.prefix}"
        if principal.tenant_id is None:
            _LOG.info("platform_key_used", actor=actor, remote=address)
            return
        subject = f"/v1/api-keys/{principal.key_id}"
        entry = NewAuditEntry(principal.tenant_id, now, actor, "log_in", subject, "", {"address": address})
        self._waiting[key_use_key(principal.key_id, address, self._day)] = entry

    async def flush(self) -> None:
        """Write what waits. Without a database, or if this is cancelled, it waits for the next time."""
        async with self._writing:
            await self._claim()
            written = {key: entry for key, entry in self._waiting.items() if key in self._claimed}
            if not written:
                return
            try:
                async with self._database.platform() as work:
                    await add_of_tenants(work, list(written.values()))
            except AppError as error:
                _LOG.warning("key_uses_not_written", count=len(written), detail=error.detail)
                return
            for key in written:
                del self._waiting[key]
                self._claimed.discard(key)
            await self._keep_claims(written)

    async def _claim(self) -> None:
        """Claim the entries that wait. Those that another worker writes wait no longer."""
        is_away = False
        for key in [key for key in self._waiting if key not in self._claimed]:
            is_first: object = True
            if not is_away:
                try:
                    async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                        is_first = await self._redis.set(key, b"1", nx=True, ex=_CLAIM_S)
                except FAILURES:
                    REDIS_FAILURES.labels("key_uses").inc()
                    is_away = True
                except asyncio.CancelledError:
                    # Redis may have it. A second entry is better than none.
                    self._claimed.add(key)
                    raise
            if is_first:
                self._claimed.add(key)
            else:
                del self._waiting[key]

    async def _keep_claims(self, keys: Iterable[str]) -> None:
        """Let no other worker write these entries again on this day."""
        try:
            for key in keys:
                async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                    await self._redis.set(key, b"1", ex=_DAY_S)
        except FAILURES:
            REDIS_FAILURES.labels("key_uses").inc()

    async def _step(self) -> float:
        await self.flush()
        return _INTERVAL_S
