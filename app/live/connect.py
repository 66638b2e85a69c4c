"""The Redis client, with deadlines that keep a Redis that hangs from holding anything else up."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

FAILURES = (RedisError, OSError, TimeoutError)
"""What a call to Redis may raise when Redis is down, hangs, is full or is being restarted."""

_CONNECT_TIMEOUT_S = 1.0
_ANSWER_TIMEOUT_S = 2.0
"""Longer than the bus blocks in one read; a healthy Redis answers in less than a thousandth of it."""


def open_redis(url: str) -> Redis:
    """Return a client for redis://, rediss:// or unix:// URLs. It connects on first use and never retries by
    itself.

    Whoever calls decides what a failure means: the renewal loop tries again, the socket path goes on without.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_ANSWER_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
