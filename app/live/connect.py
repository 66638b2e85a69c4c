"""Opens the Redis client, with deadlines, so that a hanging Redis does not block anything else."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    Redis,
    RedisCluster,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterNode, ClusterPipeline
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError, RedisClusterException, RedisError

from app.live.address import RedisAddress, read_redis_address

_SERIALIZER: Final = HiredisRespSerializer()

LiveRedis: TypeAlias = Redis | RedisCluster
"""One server (also one that Sentinel watches), or a cluster."""

FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError, RuntimeError)
"""The exceptions of a call to Redis if Redis is down, hangs, is full or restarts.

RuntimeError: uvloop raises it for a connection that has ended while the library writes to it.
"""

_IN_PIPELINE: Final = re.compile(r"Command # \d+ .* of pipeline caused error: \((['\"])(.*)\1,\)", re.DOTALL)
"""How the library wraps what Redis says about a command of a pipeline."""

_CONNECTIONS = 64
_NODE_CONNECTIONS = 1000
"""A pool of a node has no queue: a caller that finds no connection fails at once."""
_QUEUE_TIMEOUT_S = 5.0
"""Seconds that a caller may wait for a connection. Many logins at once must not look like an outage."""

_CONNECT_TIMEOUT_S = 1.0
_ANSWER_TIMEOUT_S = 2.0
"""Longer than one blocking read of the bus. A healthy Redis answers in less than a thousandth of it."""
_TIMEOUTS: Final[Mapping[str, Any]] = {
    "socket_connect_timeout": _CONNECT_TIMEOUT_S,
    "socket_timeout": _ANSWER_TIMEOUT_S,
}


def words_of(error: Exception) -> str:
    """Return what Redis said, from the code that it begins with, or what happened to the connection."""
    text = str(error) or type(error).__name__
    if in_pipeline := _IN_PIPELINE.fullmatch(text):
        text = in_pipeline[2]
    # The library cuts the code off, and wraps what was refused at the login. Its `repr` has no text.
    codes = [found.status_code for found in (error, error.__cause__) if isinstance(found, RedisError)]
    return " ".join([*filter(None, codes), text])


class _PackedInC:
    """Writes commands by hiredis, as the library does without asyncio. 50 keys take a fifth of the time."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """Return the bytes of a command."""
        packed: list[bytes] = _SERIALIZER.pack(*args)
        return packed


class _TcpConnection(_PackedInC, Connection):
    pass


class _TlsConnection(_PackedInC, SSLConnection):
    pass


class _LocalConnection(_PackedInC, UnixDomainSocketConnection):
    pass


class _SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the server that Sentinel names as primary. Callers wait for a free one."""

    async def aclose(self) -> None:
        """Close all connections, those to the Sentinels among them."""
        await super().aclose()
        await self.sentinel_manager.aclose()


def open_redis(url: str) -> LiveRedis:
    """Return a client for REDIS_URL. It connects at its first use.

    Callers decide what a failure means: the renewal of the lease tries again, logins go on without Redis.

    Raises:
        RedisAddressError: the URL cannot be used.
    """
    address = read_redis_address(url)
    match address.kind:
        case "server":
            return Redis.from_pool(BlockingConnectionPool(**_pool_arguments(), **_server_arguments(address)))
        case "sentinel":
            return _of_sentinel(address)
        case "cluster":
            return RedisCluster(
                startup_nodes=[ClusterNode(host, port) for host, port in address.hosts],
                max_connections=_NODE_CONNECTIONS,
                # The keys of the other nodes still work.
                require_full_coverage=False,
                retry=Retry(NoBackoff(), 1),
                ssl=address.is_encrypted,
                **_TIMEOUTS,
                **_login(address),
                **_tls(address),
            )


async def read_info(redis: LiveRedis, section: str) -> list[dict[str, Any]]:
    """Return a section of what each server says about itself: of a cluster each primary.

    Raises:
        RedisError, OSError: as `FAILURES` names them.
    """
    if isinstance(redis, RedisCluster):
        return [await redis.info(section, target_nodes=node) for node in redis.get_primaries()]
    return [await redis.info(section)]


def queue_time(redis: LiveRedis, pipeline: "Pipeline | ClusterPipeline", key: str) -> None:
    """Ask in a pipeline for the time of the server that has a key."""
    if isinstance(redis, RedisCluster):
        pipeline.execute_command("TIME", target_nodes=redis.get_node_from_key(key))
    else:
        pipeline.time()


def _of_sentinel(address: RedisAddress) -> Redis:
    of_sentinels: dict[str, Any] = dict(_TIMEOUTS)
    for name in ("username", "password"):
        if (value := address.options.get(f"sentinel_{name}")) is not None:
            of_sentinels[name] = value
    arguments = {"db": address.database, **_login(address)}
    if address.is_encrypted:
        arguments |= {"ssl": True, **_tls(address)}
        of_sentinels |= {"ssl": True, **_tls(address)}
    # Both are without types.
    sentinel = Sentinel(address.hosts, sentinel_kwargs=of_sentinels)  # type: ignore[no-untyped-call]
    pool = _SentinelPool(  # type: ignore[no-untyped-call]
        address.service, sentinel, **_pool_arguments(), **arguments
    )
    return Redis.from_pool(pool)


def _pool_arguments() -> dict[str, Any]:
    return {
        "max_connections": _CONNECTIONS,
        "timeout": _QUEUE_TIMEOUT_S,
        # One retry, for a pooled connection that Redis has closed. All our commands may be sent twice.
        "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        **_TIMEOUTS,
    }


def _server_arguments(address: RedisAddress) -> dict[str, Any]:
    arguments = {"db": address.database, **_login(address), **_tls(address)}
    if address.path:
        return {"connection_class": _LocalConnection, "path": address.path, **arguments}
    arguments["connection_class"] = _TlsConnection if address.is_encrypted else _TcpConnection
    arguments["host"], arguments["port"] = address.hosts[0]
    return arguments


def _login(address: RedisAddress) -> dict[str, Any]:
    found = {"username": address.username, "password": address.password}
    return {**found, "client_name": address.options.get("client_name")}


def _tls(address: RedisAddress) -> dict[str, Any]:
    found: dict[str, Any] = {n: v for n, v in address.options.items() if n.startswith("ssl_")}
    if "ssl_check_hostname" in found:
        found["ssl_check_hostname"] = found["ssl_check_hostname"].lower() == "true"
    return found
