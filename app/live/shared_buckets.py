"""Token buckets in Redis, which all workers share.

A bucket is one number: when it will be full again, in microseconds of the clock of Redis (the generic cell
rate algorithm). So it needs no refill, and expires by itself. All buckets of a request are one round trip.
While Redis does not answer, each worker has buckets of its own, of the same size.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from app.clock import Clock
from app.live.connect import FAILURES, LiveRedis
from app.live.keys import bucket_key
from app.metrics import REDIS_FAILURES
from app.token_buckets import TokenBuckets

_WINDOW_S: Final = 60.0
_US: Final = 1_000_000
_ANSWER_TIMEOUT_S: Final = 0.25
"""A healthy Redis answers in a hundredth of it. A request of the API waits no longer for a limit."""
_PAUSE_S: Final = 1.0
"""How long Redis is not asked after a failure, so that one that hangs delays few requests."""
_KEYS_KEPT: Final = 50_000
"""Buckets of one size that a worker has while Redis is away, a few MB."""
_TAKE: Final = f"""
local clock = redis.call('time')
local now, window = clock[1] * {_US} + clock[2], {int(_WINDOW_S * _US)}
local found = {{}}
for place, key in ipairs(KEYS) do
    local full_at = math.max(tonumber(redis.call('get', key) or now), now)
    local taken = full_at + window / ARGV[2 * place - 1] * ARGV[2 * place]
    local is_allowed = taken - now <= window
    if is_allowed then
        redis.call('set', key, string.format('%.0f', taken), 'px', math.ceil((taken - now) / 1000))
        full_at = taken
    end
    found[2 * place - 1] = is_allowed and 1 or 0
    found[2 * place] = full_at - now
end
return found
"""


class Bucket(NamedTuple):
    """A bucket that tokens are to be taken of.

    per_minute: its size, which fills up within one minute; weight: how many tokens, or which part of one.
    """

    key: tuple[str, ...]
    per_minute: int
    weight: float = 1.0


class Taken(NamedTuple):
    """The result for one bucket. remaining: its tokens, with fractions; fewer than asked for if refused."""

    is_allowed: bool
    remaining: float


class SharedBuckets:
    """The buckets of all workers. There are few sizes."""

    def __init__(self, redis: LiveRedis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._asked_again_at = float("-inf")
        self._own: dict[int, TokenBuckets] = {}

    async def take(self, buckets: Sequence[Bucket]) -> list[Taken]:
        """Take the tokens of each bucket that has them."""
        if self._clock.monotonic() < self._asked_again_at:
            return self._take_own(buckets)
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                answers = await self._ask(buckets)
        except FAILURES:
            REDIS_FAILURES.labels("shared_limits").inc()
            self._asked_again_at = self._clock.monotonic() + _PAUSE_S
            return self._take_own(buckets)
        pairs = zip(buckets, answers[::2], answers[1::2], strict=True)
        return [
            Taken(allowed == 1, bucket.per_minute * (1 - debt_us / (_WINDOW_S * _US)))
            for bucket, allowed, debt_us in pairs
        ]

    async def _ask(self, buckets: Sequence[Bucket]) -> list[int]:
        # One script for all costs the client half of what a pipeline does.
        keys = (bucket_key(bucket.key) for bucket in buckets)
        asked = (value for bucket in buckets for value in (bucket.per_minute, bucket.weight))
        answers: list[int] = await self._redis.eval(_TAKE, len(buckets), *keys, *asked)
        return answers

    def _take_own(self, buckets: Sequence[Bucket]) -> list[Taken]:
        now = self._clock.monotonic()
        taken = []
        for bucket in buckets:
            own = self._own.setdefault(bucket.per_minute, TokenBuckets(bucket.per_minute, _KEYS_KEPT))
            is_allowed = own.remaining(bucket.key, now) >= bucket.weight
            if is_allowed:
                own.take(bucket.key, now, bucket.weight)
            taken.append(Taken(is_allowed, own.remaining(bucket.key, now)))
        return taken
