"""The Redis client, with deadlines that keep a Redis that hangs from holding anything else up."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError

FAILURES = (RedisError, OSError, TimeoutError)
"""What a call to Redis may raise when Redis is down, hangs, is full or is being restarted."""

_CONNECTIONS = 64
_QUEUE_TIMEOUT_S = 5.0
"""A storm of logins waits its turn for a connection, instead of taking Redis for dead."""

_CONNECT_TIMEOUT_S = 1.0
_ANSWER_TIMEOUT_S = 2.0
"""Longer than the bus blocks in one read; a healthy Redis answers in less than a thousandth of it."""


def open_redis(url: str) -> Redis:
    """Return a client for redis://, rediss:// or unix:// URLs. It connects on first use.

    Whoever calls decides what a failure means: the renewal loop tries again, the socket path goes on without.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_QUEUE_TIMEOUT_S,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_ANSWER_TIMEOUT_S,
        # Once, for a pooled connection that Redis has closed meanwhile; all we send may be sent twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
    )
    return Redis.from_pool(pool)
