"""Fixtures of the live state: clients, and a Redis that a test may kill."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis.asyncio import Redis

from app.live.connect import open_redis
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from tests.support.cluster import Cluster
from tests.support.live import RedisServer, SetClock
from tests.support.workers import running_workers


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Return a client of the Redis of the run, which is empty."""
    async with open_redis(redis_url) as client:
        assert isinstance(client, Redis)
        await client.flushall()
        yield client


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Start a Redis for the test."""
    # Not in tmp_path, because the path of a socket must be short.
    with TemporaryDirectory(prefix="sm-") as directory:
        started = RedisServer(Path(directory))
        started.start()
        yield started
        started.kill()


@pytest.fixture
async def fragile(server: RedisServer) -> AsyncIterator[Redis]:
    """Return a client of the Redis that a test may kill."""
    async with open_redis(server.url) as client:
        assert isinstance(client, Redis)
        yield client


@pytest.fixture
async def cluster(
    redis_url: str, redis: Redis, storage: Storage, settings: Settings, tenant: TenantRecord
) -> AsyncIterator[Cluster]:
    """Start two workers on the Redis of the run."""
    clock = SetClock()
    async with running_workers(redis_url, storage, clock, settings, "a", "b") as workers:
        yield Cluster(workers, storage, tenant, clock)


@pytest.fixture
async def fragile_site(
    server: RedisServer, storage: Storage, settings: Settings, tenant: TenantRecord
) -> AsyncIterator[Cluster]:
    """Start two workers on the Redis that a test may kill."""
    clock = SetClock()
    async with running_workers(server.url, storage, clock, settings, "a", "b") as workers:
        yield Cluster(workers, storage, tenant, clock)
