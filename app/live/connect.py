"""Opens the Redis client, with deadlines, so that a hanging Redis does not block anything else."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError

FAILURES = (RedisError, OSError, TimeoutError)
"""The exceptions of a call to Redis if Redis is down, hangs, is full or restarts."""

_CONNECTIONS = 64
_QUEUE_TIMEOUT_S = 5.0
"""Seconds that a caller may wait for a connection. Many logins at once must not look like an outage."""

_CONNECT_TIMEOUT_S = 1.0
_ANSWER_TIMEOUT_S = 2.0
"""Longer than one blocking read of the bus. A healthy Redis answers in less than a thousandth of it."""


def open_redis(url: str) -> Redis:
    """Return a client for a redis://, rediss:// or unix:// URL. It connects at its first use.

    Callers decide what a failure means: the renewal of the lease tries again, logins go on without Redis.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_QUEUE_TIMEOUT_S,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_ANSWER_TIMEOUT_S,
        # One retry, for a pooled connection that Redis has closed. All our commands may be sent twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
    )
    return Redis.from_pool(pool)
