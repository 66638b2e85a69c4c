"""Limits how often something may happen within a minute, for each address, in the memory of one worker."""

from dataclasses import dataclass
from typing import Final

_ROUNDING: Final = 1e-6
"""Tokens that sums of fractions may lack: one that was counted twice, here and elsewhere, is still one."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class TokenBuckets:
    """One token bucket for each key, such as an address.

    Args:
        per_minute: the tokens that come to a bucket within one minute.
        most_keys: how many buckets are kept. The oldest is dropped first. A peer with more addresses gains
            one full bucket for each address, which it has anyway.
        burst_s: the size of a bucket, as the seconds in which it fills up again.
    """

    def __init__(self, per_minute: int, most_keys: int, burst_s: float = 60.0) -> None:
        self.per_minute = per_minute
        self._per_s = per_minute / 60.0
        self._size = max(1.0, self._per_s * burst_s)
        self._most_keys = most_keys
        self._buckets: dict[tuple[str, ...], _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def retry_after_s(self, key: tuple[str, ...], now: float) -> float:
        """Return the seconds until there is a token; 0.0 if there is one now.

        Args:
            key: the address, or other key, of the attempt.
            now: monotonic seconds.
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0.0
        tokens = self._level(bucket, now)
        return 0.0 if tokens >= 1.0 - _ROUNDING else (1.0 - tokens) / self._per_s

    def remaining(self, key: tuple[str, ...], now: float) -> float:
        """Return the tokens of a bucket; below zero if too many were taken at once."""
        bucket = self._buckets.get(key)
        return self._size if bucket is None else self._level(bucket, now)

    def take(self, key: tuple[str, ...], now: float, weight: float = 1.0) -> None:
        """Take `weight` tokens. Attempts that overlap may take a bucket below zero, by its size at most."""
        bucket = self._buckets.get(key)
        tokens = self._size if bucket is None else self._level(bucket, now)
        self._keep(key, _Bucket(max(tokens - weight, -self._size), now))

    def lower(self, key: tuple[str, ...], now: float, tokens: float) -> None:
        """Leave a bucket with `tokens` at most, because other workers have taken from it, too."""
        if tokens < self.remaining(key, now):
            self._keep(key, _Bucket(max(tokens, -self._size), now))

    def _keep(self, key: tuple[str, ...], bucket: _Bucket) -> None:
        self._buckets.pop(key, None)
        self._buckets[key] = bucket
        if len(self._buckets) > self._most_keys:
            del self._buckets[next(iter(self._buckets))]

    def _level(self, bucket: _Bucket, now: float) -> float:
        return min(self._size, bucket.tokens + (now - bucket.at) * self._per_s)
